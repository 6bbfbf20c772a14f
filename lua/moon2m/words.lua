-- Numbers in sentences: "1 event", "2 events wait".

local words = {}

--- How many of a thing: words.count(1, "rule") is "1 rule", words.count(2, "rule") "2 rules".
function words.count(n, thing)
  return ("%d %s%s"):format(n, thing, n == 1 and "" or "s")
end

--- How many of a thing do something: words.of(1, "event", "wait") is "1 event waits"; which (what
-- stands between them) may be absent.
function words.of(n, thing, verb, which)
  return ("%s %s%s%s"):format(words.count(n, thing), which and which .. " " or "", verb,
    n == 1 and "s" or "")
end

return words
