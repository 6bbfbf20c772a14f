---@meta _
-- The commands of `moon2m console` and `moon2m eval`.

-- ---- Console ------------------------------------------------------------------------------------

---`moon2m console` attaches to a running server, `moon2m eval 'scripts()'` asks it one thing. A
---line is Lua with the commands below and `cse`, whose verbs act for the CSE itself; each may use 2
---s of CPU time without a pause. Results are printed as tables; names that are assigned stay until
---the console ends.

---The commands; at the console they stand alone: `scripts()`.
---@class moon2m.console
local console = {}

---The scripts: rules, calls, errors, the time that half and 99 % of the calls did not exceed,
---memory, events that wait or are parked, rules that rest. Of one script: each of its rules, and
---the last error.
---@param name? string of a script
function console.scripts(name) end

---The resources below a path; of containers also how much is in them, and the newest content.
---
---```lua
---tree("/home", 3)
---```
---@param where? string path; `"/"` by default
---@param depth? integer how many levels, 2 by default
function console.tree(where, depth) end

---Each request as it is answered, until Ctrl-C. What comes faster than it can be shown is skipped
---and counted.
---
---```lua
---watch("/home/**")
---```
---@param pattern? string path pattern; nil: all
function console.watch(pattern) end

---Each call of a script's rules with arguments, results and time, until Ctrl-C. What comes faster
---than it can be shown is skipped and counted.
---@param name? string of a script; nil: all
function console.trace(name) end

---Looks for some seconds where the time goes, and prints the hot lines of scripts and library with
---their share. With a file it draws a flame graph in the folder where the console runs.
---
---```lua
---profile(5, "out.svg")
---```
---@param seconds? number 5 by default, 600 at most
---@param file? string a name like `"out.svg"`
function console.profile(seconds, file) end

---Loads a script's file again, or those of all: as `moon2m reload`.
---@param name? string of a script; nil: all
function console.reload(name) end

---Hands the events that are parked for a script to it again: as `moon2m replay`.
---@param name string of a script
function console.replay(name) end

---The timers of scripts, and when they are due.
function console.timers() end

---What Lua holds, and each script: in all, of that in `cse.state`, in its other variables and in
---handlers that wait (an estimate by what can be reached from it); the most that one run asked for,
---and all runs.
function console.memory() end

---These commands; or what the reference says of a name or function.
---
---```lua
---help(cse.add)
---help("container")
---```
---@param what? any
function console.help(what) end
