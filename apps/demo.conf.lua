-- Configuration of the demo (`make run`): loopback only, data in ./data.
-- Every key is explained in the README's table.
read = { "/proc/**" }        -- what scripts may read with cse.read

scripts = {
  host_metrics = { period = 1, keep = 3600 },
}
