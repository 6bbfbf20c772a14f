-- The bench's report: what was asked and what was reached, tables and plots, as Markdown and SVG.

local lab = require "lab"

local report = {}

local asked, parts = {}, {}

--- A number as people read it: 1234567.8 -> "1,234,568".
function report.count(v)
  local text = ("%.0f"):format(v)
  local n
  repeat
    text, n = text:gsub("^(%d+)(%d%d%d)", "%1,%2")
  until n == 0
  return text
end

--- Microseconds as milliseconds.
function report.ms(us) return ("%.2f"):format(us / 1000) end

--- A figure that was asked for: bound { at_least = n } or { at_most = n }.
function report.asked(what, bound, value, format, note)
  local show = format and function(v) return format:format(v) end or report.count
  local least, most = bound.at_least, bound.at_most
  local met = least and value >= least or most and value <= most
  asked[#asked + 1] = { what, (least and "at least " or "at most ") .. show(least or most),
    show(value) .. (note and " (" .. note .. ")" or ""), met and "met" or "**missed**" }
  lab.say("    %s: %s, asked %s", what, asked[#asked][3], asked[#asked][2])
end

local function markdown(header, rows)
  local out = { "| " .. table.concat(header, " | ") .. " |",
    "|" .. ("---|"):rep(#header) }
  for _, row in ipairs(rows) do
    for i, v in ipairs(row) do row[i] = tostring(v) end
    out[#out + 1] = "| " .. table.concat(row, " | ") .. " |"
  end
  return table.concat(out, "\n") .. "\n"
end

function report.table(title, text, header, rows)
  parts[#parts + 1] = "## " .. title .. "\n\n" .. (text and text .. "\n\n" or "")
    .. markdown(header, rows)
end

-- ---- plots --------------------------------------------------------------------------------------

local function script(name, title, x, y, series, o)
  local out = {
    "set terminal svg size 760,440 font 'sans,12' background 'white'",
    ("set output '%s/%s.svg'"):format(lab.out, name),
    ("set title '%s'; set xlabel '%s'; set ylabel '%s'"):format(title, x, y),
    "set grid; set key outside right top; set style data linespoints",
    "set format x '%.0s%c'; set format y '%.1s%c'",
    o.logx and "set logscale x" or "", o.logy and "set logscale y" or "set yrange [0:*]",
  }
  local plots = {}
  for i, s in ipairs(series) do
    out[#out + 1] = ("$d%d << EOD"):format(i)
    for _, p in ipairs(s[2]) do out[#out + 1] = ("%.10g %.10g"):format(p[1], p[2]) end
    out[#out + 1] = "EOD"
    plots[i] = ("$d%d title '%s' lw 2 pt 7 ps 0.6"):format(i, s[1])
  end
  out[#out + 1] = "plot " .. table.concat(plots, ", ")
  return table.concat(out, "\n") .. "\n"
end

--- A plot of series { { title, { { x, y }, ... } }, ... } as name.svg; o: { logx, logy }.
function report.plot(name, title, x, y, series, o)
  if not pcall(lab.sh, "command -v gnuplot > /dev/null") then
    return lab.say("no plot of %s: gnuplot is missing (package gnuplot-nox)", name)
  end
  local file = ("%s/%s.gp"):format(lab.out, name)
  lab.write_file(file, script(name, title, x, y, series, o or {}))
  lab.sh("gnuplot %s && rm %s", file, file)
  parts[#parts + 1] = ("![%s](%s.svg)\n"):format(title, name)
end

-- ---- the whole ----------------------------------------------------------------------------------

local function machine()
  local cpu = lab.read_file("/proc/cpuinfo"):match("model name%s*:%s*([^\n]+)") or "?"
  local commit = lab.sh "git rev-parse --short HEAD 2>/dev/null || echo unknown"
  return ("%s; %s, %s cores; kernel %s; file system %s; server on core %s, client on core %s; %s; "
    .. "other processes used %.0f %% of a core meanwhile; commit %s."):format(
    os.date("%Y-%m-%d %H:%M"), cpu, lab.sh "nproc --all", lab.sh "uname -r",
    lab.sh("stat -f -c %%T %s", lab.out), lab.server_core, lab.client_core,
    lab.quick and "one quick run each" or ("medians of %d"):format(lab.reps), lab.others(), commit)
end

--- Writes report.md; returns the table of what was asked and how many were missed.
function report.write()
  local missed = 0
  for _, row in ipairs(asked) do missed = missed + (row[4] == "met" and 0 or 1) end
  local summary = markdown({ "figure", "asked", "reached", "" }, asked)
  lab.write_file(lab.out .. "/report.md", "# moon2m: figures\n\n" .. machine() .. "\n\n" .. summary
    .. "\n" .. table.concat(parts, "\n"))
  return summary, missed
end

return report
