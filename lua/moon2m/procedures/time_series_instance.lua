-- timeSeriesInstance: no two of a timeSeries have the same time.

local content_instance = require "moon2m.procedures.content_instance"

local function create(ctx, parent, new)
  new.dgt = content_instance.time_of(new, ctx.req.now)
  new.mark = new.dgt + 1                      -- never 0: 1970 is a time too
  return content_instance.create(ctx, parent, new)
end

return { create = create }
