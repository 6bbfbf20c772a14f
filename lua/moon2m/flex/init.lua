-- The specialisations of flexContainer that the standard has: the classes of TS-0023 and those in
-- the namespace m2m.  A file beside this one holds the classes of a domain, a row each:
--
--   { "binSh", "binarySwitch", "dgt dataGenerationTime timestamp, state! - boolean", "cod:togge" }
--
-- the name behind the namespace, the long name, the attributes (short name, long name or "-" when
-- it is the same, type; "!" mandatory in a CREATE, "*" of multiplicity 1 but set later, "fixed" not
-- in an UPDATE), and the classes that may be below it (absent: nothing is said).  { kind = } heads
-- the rows of a kind.  A file is read when a name of its namespace is first asked for, and a class
-- becomes a type when a resource of it is: a CSE without flexContainers pays nothing.

local flex = {}

-- Namespace -> the domain in containerDefinition, and its files.
local NAMESPACES = {
  agd = { "agriculture", "agriculture" },
  cid = { "city", "city" },
  cod = { "common", "common_module_classes", "common_actions", "common_devices" },
  hed = { "health", "health" },
  hod = { "home", "home" },
  m2m = { "", "interworking" },
  mad = { "management", "management" },
  mdd = { "metadata", "metadata" },
  psd = { "publicsafety", "publicsafety" },
  rad = { "railway", "railway" },
  ved = { "vehicular", "vehicular" },
}

local KIND = { timestamp = "timestamp", boolean = "bool", integer = "int", float = "number",
  nonNegativeInteger = "uint", string = "string", anyURI = "uri", list = "any", date = "date",
  time = "time", dateTime = "date_time" }

local read = {}                  -- namespace -> { classes = name -> row, kinds = name -> kind }

-- The classes of a namespace; nil when the standard has none there.
local function classes_of(namespace)
  local files = NAMESPACES[namespace]
  if not files or read[namespace] then return read[namespace] end
  local all = { rows = {}, kinds = {} }
  for i = 2, #files do
    local kind
    for _, row in ipairs(require("moon2m.flex." .. files[i])) do
      kind = row.kind or kind
      if row[1] then all.rows[row[1]], all.kinds[row[1]] = row, kind end
    end
  end
  read[namespace] = all
  return all
end

local function attribute(text)
  local name, mark, kind, fixed = text:match("^%s*(%w+)([!*]?) %S+ (%w+) ?(%w*)$")
  return { name, KIND[kind], list = kind == "list" and 0 or nil,
    create = mark == "!" and "M" or "O", update = fixed == "fixed" and "-" or "O",
    one = mark ~= "" or nil }
end

local function attributes(text)
  local list = {}
  for one in text:gmatch("[^,]+") do list[#list + 1] = attribute(one) end
  return list
end

local function set_of(text)
  if not text then return nil end
  local set = {}
  for root in text:gmatch("%S+") do set[root] = true end
  return set
end

-- containerDefinition; nil for those in the namespace m2m, which have none of their own.
local function definition(namespace, row, kinds)
  if namespace == "m2m" then return nil end
  return ("org.onem2m.%s.%s.%s"):format(NAMESPACES[namespace][1], kinds[row[1]], row[2])
end

local function find(root)
  local namespace, name = root:match("^(%w+):(%w+)$")
  local all = namespace and classes_of(namespace)
  local row = all and all.rows[name]
  if row then return row, namespace, all.kinds end
end

--- Whether a root is that of an announced flexContainer, which nobody creates by request.
function flex.announced(root)
  local row, namespace = find(root)
  return row ~= nil and namespace == "m2m" and row[2]:find("Annc$") ~= nil
end

--- The class that a root names, in the shape of a type's file (types/init.lua) with `classes`, the
-- set of the roots that may be below it or nil; nil when the standard has no such class.
function flex.spec(root)
  local row, namespace, kinds = find(root)
  if not row or flex.announced(root) then return nil end
  return { ty = 28, name = root, short = root, standard = true, parents = {},
    cnd = definition(namespace, row, kinds), attrs = attributes(row[3]), classes = set_of(row[4]) }
end

--- The root of the class with this containerDefinition, nil when the standard has none.
function flex.root_of(cnd)
  local domain, kind, long = cnd:match("^org%.onem2m%.(%w+)%.(%w+)%.(%w+)$")
  for namespace, files in pairs(NAMESPACES) do
    local all = domain == files[1] and classes_of(namespace)
    for name, row in pairs(all and all.rows or {}) do
      if row[2] == long and all.kinds[name] == kind then return namespace .. ":" .. name end
    end
  end
end

--- Calls fn(root) for every class of the standard.
function flex.each(fn)
  for namespace in pairs(NAMESPACES) do
    for name in pairs(classes_of(namespace).rows) do fn(namespace .. ":" .. name) end
  end
end

local names

--- Whether some class has an attribute of this short name.
function flex.has_attribute(name)
  if not names then
    names = {}
    flex.each(function(root)
      for one in find(root)[3]:gmatch("[^,]+") do names[one:match("%w+")] = true end
    end)
  end
  return names[name] == true
end

return flex
