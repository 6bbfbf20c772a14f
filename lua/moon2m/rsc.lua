-- Response status codes of oneM2M (TS-0004 6.6.3) with their names and HTTP status (TS-0009
-- 6.3.2), and the error value that every library function returns as its second result.
--
-- rsc.OK .. are the numbers; rsc.http[2000] is 200; rsc.name(4004) is "NOT_FOUND".
-- An error is { rsc = number, msg = text for the client's m2m:dbg }; it never carries a
-- traceback.

local setmetatable, format, select = setmetatable, string.format, select
local find, gsub = string.find, string.gsub

local CONTROL = "[%z\1-\31\127]"

local codes = {
  { 1000, "ACCEPTED", 202 },
  { 1001, "ACCEPTED_SYNCH", 202 },
  { 1002, "ACCEPTED_ASYNCH", 202 },
  { 2000, "OK", 200 },
  { 2001, "CREATED", 201 },
  { 2002, "DELETED", 200 },
  { 2004, "UPDATED", 200 },
  { 4000, "BAD_REQUEST", 400 },
  { 4001, "RELEASE_VERSION_NOT_SUPPORTED", 501 },
  { 4004, "NOT_FOUND", 404 },
  { 4005, "OPERATION_NOT_ALLOWED", 405 },
  { 4008, "REQUEST_TIMEOUT", 504 },
  { 4015, "UNSUPPORTED_MEDIA_TYPE", 415 },
  { 4101, "SUBSCRIPTION_CREATOR_HAS_NO_PRIVILEGE", 403 },
  { 4102, "CONTENTS_UNACCEPTABLE", 400 },
  { 4103, "ORIGINATOR_HAS_NO_PRIVILEGE", 403 },
  { 4104, "GROUP_REQUEST_IDENTIFIER_EXISTS", 409 },
  { 4105, "CONFLICT", 409 },
  { 4106, "ORIGINATOR_NOT_AUTHENTICATED", 403 },
  { 4107, "SECURITY_ASSOCIATION_REQUIRED", 403 },
  { 4108, "INVALID_CHILD_RESOURCE_TYPE", 403 },
  { 4109, "NO_MEMBERS", 403 },
  { 4110, "GROUP_MEMBER_TYPE_INCONSISTENT", 400 },
  { 4111, "ESPRIM_UNSUPPORTED_OPTION", 403 },
  { 4112, "ESPRIM_UNKNOWN_KEY_ID", 403 },
  { 4113, "ESPRIM_UNKNOWN_ORIG_RAND_ID", 403 },
  { 4114, "ESPRIM_UNKNOWN_RECV_RAND_ID", 403 },
  { 4115, "ESPRIM_BAD_MAC", 403 },
  { 4116, "ESPRIM_IMPERSONATION_ERROR", 403 },
  { 4117, "ORIGINATOR_HAS_ALREADY_REGISTERED", 403 },
  { 4118, "ONTOLOGY_NOT_AVAILABLE", 404 },
  { 4119, "LINKED_SEMANTICS_NOT_AVAILABLE", 404 },
  { 4120, "INVALID_SEMANTICS", 400 },
  { 4121, "MASHUP_MEMBER_NOT_FOUND", 404 },
  { 4122, "INVALID_TRIGGER_PURPOSE", 400 },
  { 4123, "ILLEGAL_TRANSACTION_STATE_TRANSITION_ATTEMPTED", 400 },
  { 4124, "BLOCKING_SUBSCRIPTION_ALREADY_EXISTS", 409 },
  { 4125, "SPECIALIZATION_SCHEMA_NOT_FOUND", 501 },
  { 4126, "APP_RULE_VALIDATION_FAILED", 403 },
  { 4127, "OPERATION_DENIED_BY_REMOTE_ENTITY", 403 },
  { 4128, "SERVICE_SUBSCRIPTION_NOT_ESTABLISHED", 403 },
  { 4143, "INVALID_SPARQL_QUERY", 400 },
  { 5000, "INTERNAL_SERVER_ERROR", 500 },
  { 5001, "NOT_IMPLEMENTED", 501 },
  { 5103, "TARGET_NOT_REACHABLE", 404 },
  { 5105, "RECEIVER_HAS_NO_PRIVILEGE", 403 },
  { 5106, "ALREADY_EXISTS", 409 },
  { 5107, "REMOTE_ENTITY_NOT_REACHABLE", 404 },
  { 5203, "TARGET_NOT_SUBSCRIBABLE", 403 },
  { 5204, "SUBSCRIPTION_VERIFICATION_INITIATION_FAILED", 500 },
  { 5205, "SUBSCRIPTION_HOST_HAS_NO_PRIVILEGE", 403 },
  { 5206, "NON_BLOCKING_SYNCH_REQUEST_NOT_SUPPORTED", 501 },
  { 5207, "NOT_ACCEPTABLE", 406 },
  { 5208, "DISCOVERY_DENIED_BY_IPE", 403 },
  { 5209, "GROUP_MEMBERS_NOT_RESPONDED", 500 },
  { 5210, "ESPRIM_DECRYPTION_ERROR", 500 },
  { 5211, "ESPRIM_ENCRYPTION_ERROR", 500 },
  { 5212, "SPARQL_UPDATE_ERROR", 500 },
  { 5214, "TARGET_HAS_NO_SESSION_CAPABILITY", 403 },
  { 5215, "SESSION_IS_ONLINE", 403 },
  { 5216, "JOIN_MULTICAST_GROUP_FAILED", 500 },
  { 5217, "LEAVE_MULTICAST_GROUP_FAILED", 500 },
  { 5218, "TRIGGERING_DISABLED_FOR_RECIPIENT", 403 },
  { 5219, "UNABLE_TO_REPLACE_REQUEST", 409 },
  { 5220, "UNABLE_TO_RECALL_REQUEST", 409 },
  { 5221, "CROSS_RESOURCE_OPERATION_FAILURE", 500 },
  { 5222, "TRANSACTION_PROCESSING_IS_INCOMPLETE", 403 },
  { 6003, "EXTERNAL_OBJECT_NOT_REACHABLE", 404 },
  { 6005, "EXTERNAL_OBJECT_NOT_FOUND", 404 },
  { 6010, "MAX_NUMBER_OF_MEMBER_EXCEEDED", 400 },
  { 6020, "MGMT_SESSION_CANNOT_BE_ESTABLISHED", 500 },
  { 6021, "MGMT_SESSION_ESTABLISHMENT_TIMEOUT", 500 },
  { 6022, "INVALID_CMDTYPE", 400 },
  { 6023, "INVALID_ARGUMENTS", 400 },
  { 6024, "INSUFFICIENT_ARGUMENTS", 400 },
  { 6025, "MGMT_CONVERSION_ERROR", 500 },
  { 6026, "MGMT_CANCELLATION_FAILED", 500 },
  { 6028, "ALREADY_COMPLETE", 409 },
  { 6029, "MGMT_COMMAND_NOT_CANCELLABLE", 409 },
  { 6030, "EXTERNAL_OBJECT_NOT_REACHABLE_BEFORE_RQET_TIMEOUT", 504 },
  { 6031, "EXTERNAL_OBJECT_NOT_REACHABLE_BEFORE_OET_TIMEOUT", 504 },
}

local rsc = { http = {} }
local names = {}
for _, c in ipairs(codes) do
  rsc[c[2]], names[c[1]], rsc.http[c[1]] = c[1], c[2], c[3]
end

--- The standard's name of a code, or its digits when the code is unknown.
function rsc.name(code)
  return names[code] or tostring(code)
end

local error_mt = {
  __tostring = function(e) return e.rsc .. " " .. rsc.name(e.rsc) .. ": " .. e.msg end,
}

--- An error value: code is a number of this table, the rest is a format and its arguments;
-- without arguments the text is taken as it is (a "%" in it is harmless).  Control characters of
-- what a client sent become spaces: the text goes into answers and lines of the log.
function rsc.err(code, fmt, ...)
  local msg = select("#", ...) > 0 and format(fmt, ...) or fmt or rsc.name(code)
  if find(msg, CONTROL) then msg = gsub(msg, CONTROL, " ") end
  return setmetatable({ rsc = code, msg = msg }, error_mt)
end

return rsc
