---@meta _
-- The tables that scripts are handed and hand over.

-- ---- Tables -------------------------------------------------------------------------------------

---What handlers are given and what declarations take. All of it is plain tables with oneM2M short
---names, copies: nothing that a script does to them reaches the server. `nil` means absent.

---An operation, as a word.
---@alias moon2m.op
---| "create" a new resource, below the path
---| "retrieve" reading, also discovery
---| "update" attributes change
---| "delete" the resource goes, with all below it
---| "notify" a notification to an AE or CSE
---| "any" all of them

---A request, as `cse.policy`, `cse.check` and `cse.virtual` see it.
---@class moon2m.request
---@field [integer] string what the stars of the pattern stand for
---@field op moon2m.op the operation, never `"any"`
---@field to string path of the resource that is addressed: of a create, the parent
---@field fr string the originator: `"Cthermostat"`
---@field rqi string request identifier
---@field ty? integer of a create: the type of the new resource
---@field pc? table content without its wrapper; a check may change it
---@field time number when it came, seconds since 1970
---@field peer? string address of the client
---@field credential? string name of the credential it came with (`moon2m credential`)
---@field hop? integer how many handlers of scripts led here
---@field chain? string through which paths

---A change that is stored, as `cse.on` sees it.
---@class moon2m.event
---@field [integer] string what the stars of the pattern stand for
---@field op moon2m.op what was done, never `"any"`
---@field to string path that was addressed: of a create, the parent
---@field fr string the originator
---@field res? moon2m.resource the new resource, the changed one, or the one that is gone
---@field old? moon2m.resource of an update: as it was
---number of the change, ascending: a repeat has the same, as after a crash, where what was handled
---in the last half second before may come again. It has 16 digits, of which `tostring`,
---`..` and `%s` show 14: `("%d"):format(ev.at)` and `cse.json(ev.at)` show them all
---@field at integer

---An event, as `cse.format` sees it.
---@class moon2m.notice
---@field to string path of the resource that is subscribed to: of a new child, its parent
---@field res? moon2m.resource what it is about: the child, or the resource itself; not with `encoded`
---@field old? moon2m.resource of an update: as it was; not with `encoded`
---@field rep? string with `encoded`: the representation as JSON text, wrapper included
---number of the change, ascending; see `moon2m.event`
---@field at integer
---@field event moon2m.notice.event what happened
---@field sur string address of the subscription; filled in for each target
---@field rqi string request identifier of the notification; filled in for each target
---@field cr? string creator of the subscription; filled in for each target
---@field nfu? string the subscription's notification forwarding URI
---@field sub? { ri: string, rn: string, lbl?: string[] } with `per = "target"`: the subscription
---@field target? string with `per = "target"`: whom it is for, as in `nu`

---What happened, in a notice.
---@class moon2m.notice.event
---@field net? integer notification event type: 1 update, 2 delete, 3 child created, 4 child deleted
---@field op? string the operation, as a word
---@field fr? string the originator
---@field om? table of operation monitors: `{ op, or }`

---Why something failed. `tostring(err)` is `"4004 NOT_FOUND: ..."`.
---@class moon2m.err
---@field rsc integer response status code (TS-0004 6.6.3)
---@field msg string what is wrong, naming attribute and reason

---What `cse.request` takes.
---@class moon2m.request.fields
---@field op moon2m.op | integer the operation, as a word or 1 to 5
---@field to string path or address
---@field fr? string originator; the CSE itself when it is absent
---@field ty? string | integer of a create: the type, by name or number
---attributes (with `ty`), a whole content with its wrapper, or JSON text
---@field pc? table | string
---@field rcn? integer result content
---filter criteria: `{ fu = 1, ty = 3, lbl = { "room:2" }, lim = 10 }`
---@field fc? table<string, any>
---@field drt? integer desired identifier result type: 1 paths, 2 identifiers

---What one run of a script's code may use.
---@class moon2m.budget
---seconds of CPU time without a pause, 0.001 to 3600; the defaults are 0.02 for policies, checks,
---virtual resources and formats, 0.1 for reactions, timers and sockets
---@field time? number
---@field memory? integer | string bytes, or `"512K"`, `"8M"`; at least 64K; the default is 32M
---verbs of one call, 1 or more; not of the function of a `cse.tcp` connection, which may go on for
---ever
---@field verbs? integer

---Whether an attribute is in a request.
---@alias moon2m.presence
---| "M" it must be
---| "O" it may be
---| "-" it must not be

---Options of `cse.on`.
---@class moon2m.on.options
---@field parallel? integer events of the rule that are handled at the same time, 1 (default) to 64

---Options of `cse.format`.
---@class moon2m.format.options
---`"event"` (default): called once per event, for all targets; `"target"`: once for each, with
---`n.sub` and `n.target`
---@field per? "event" | "target"
---`"raw"` (default): the body is the whole message, and nobody answers it; `"primitive"`: it is
---the content (`pc`) of a NOTIFY request, which the target answers
---@field frame? "raw" | "primitive"
---@field binary? boolean a binary WebSocket frame (default false); with `frame = "raw"`
---`n.rep`, JSON text, instead of `n.res` and `n.old`: cheaper, for formats that only wrap it
---@field encoded? boolean

---The text of a `cse.page`.
---@class moon2m.page.text
---@field text string what is served, 1 MiB at most

---A resource type, as `cse.type` takes it. A new one needs `ty`, `name`, `short` and `attrs`.
---@class moon2m.type
---@field extends? string name of a type that gets further attributes, all of them optional
---@field ty? integer its number
---@field name? string what scripts call it: `"weather_station"`
---@field short? string its root in JSON: `"my:wst"`
---@field mgd? integer mgmtDefinition, of a specialisation of mgmtObj (`ty = 13`)
---@field cnd? string containerDefinition, of a specialisation of a type that is there
---attributes in the order they are written: a name that all types know (`"rn"`, `"lbl"`, ...), or
---a row
---@field attrs? (string | moon2m.type.attribute)[]
---@field children? string[] names of the types that may be below it
---@field parents? string[] names of the types that it may be below
---attributes that must fit together: `false`, a reason and perhaps a status code (4000), or an error
---of `rsc.err`, refuse the request. `values` are the attributes of the request, `resource` those that
---there were, in an update only, both as their kinds decode them: times in microseconds since 1970,
---durations in microseconds, an `"object"` or `"any"` as its JSON text. `kinds.after` sees both
---@field check? fun(values: table<string, any>, resource?: table<string, any>): any, string?, integer?

---A row of `attrs`: `{ "red", "uint", create = "M", update = "O" }`.
---@class moon2m.type.attribute
---@field [1] string its short name
---`"string"`, `"uint"`, `"posint"`, `"int"`, `"number"`, `"bool"`, `"timestamp"`, `"duration"`,
---`"abs_rel_timestamp"` (or milliseconds from now), `"date"`, `"time"`, `"date_time"`, `"uri"`,
---`"poa"` (a URL), `"id"`, `"name"`, `"label"`, `"cnf"`, `"serialization"`, `"release"`, `"object"`,
---`"any"`, a list of the possible texts or numbers, or what `moon2m.kinds` makes. It may be left out
---of a row for an attribute that all types know
---@field [2] moon2m.kind.any
---@field list? integer an array of these, with at least so many
---@field create? moon2m.presence in a create: `"M"` must be there, `"O"` may, `"-"` (default) not
---@field update? moon2m.presence in an update: `"O"` may be there, `"-"` (default) not
---@field one? boolean an update cannot remove it, as if it were mandatory
---of an attribute that is known and not acted on: why; its value is checked, then refused with 5001
---@field later? string
