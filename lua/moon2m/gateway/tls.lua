-- The options of a TLS client: tls, and the files ca, cert and key for its connections alone.

local tls = {}

--- Adds the rows of these options to those of a kind's declaration.
function tls.rows(rows)
  rows.tls = { "boolean", default = false }
  for _, name in ipairs { "ca", "cert", "key" } do rows[name] = { "string", max = 4095 } end
  return rows
end

--- Whether checked options go together: true | nil, why.
function tls.check(opts)
  for _, name in ipairs { "ca", "cert", "key" } do
    if opts[name] and not opts.tls then return nil, name .. " needs tls = true" end
    if opts[name] and opts[name]:sub(1, 1) ~= "/" then
      return nil, ("%s: an absolute path was expected, got %q"):format(name, opts[name])
    end
  end
  if (opts.cert == nil) ~= (opts.key == nil) then return nil, "cert and key belong together" end
  return true
end

return tls
