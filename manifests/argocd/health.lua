-- Health of a KMSVaultSecret or a PartialKMSVaultSecret for Argo CD. Their status follows kstatus
-- (https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md).
-- Lua 5.1, and only base functions: Argo CD opens no other library for it.
local conditions = {}
local status = obj.status or {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end

local function is_true(name)
  return conditions[name] ~= nil and conditions[name].status == "True"
end

local function health(code, name, otherwise)
  local condition = conditions[name] or {}
  return { status = code, message = condition.message or otherwise or "" }
end

if obj.metadata.deletionTimestamp ~= nil then
  return health("Progressing", is_true("Suspended") and "Suspended" or "Ready", "Pending deletion")
end
-- The CRD gives a new object -1; an edited one has the generation before the edit.
if status.observedGeneration == nil or status.observedGeneration ~= obj.metadata.generation then
  return { status = "Progressing", message = "Waiting for kms-vault-operator" }
end
if is_true("Stalled") then
  -- A suspension leaves Ready as it was, so the message of Ready does not explain it.
  return health("Degraded", conditions.Stalled.reason == "Suspended" and "Stalled" or "Ready")
end
if is_true("Suspended") then
  return health("Suspended", "Suspended")
end
if is_true("Reconciling") then
  return health("Progressing", "Ready")
end
if is_true("Ready") then
  return health("Healthy", "Ready")
end
if conditions.Ready ~= nil and conditions.Ready.status == "False" then
  return health("Degraded", "Ready")
end
return health("Progressing", "Ready", "Waiting for kms-vault-operator")
