import { lauxlib, lua, lualib, to_luastring as bytes } from 'fengari';

type State = ReturnType<typeof lauxlib.luaL_newstate>;

/** What a health script of Argo CD answers. */
export interface Health {
  readonly status: string;
  readonly message: string;
}

/**
 * Runs a health script of Argo CD as Argo CD does (util/lua/lua.go, `runLua` and `ExecuteHealthLua`): the resource is
 * the global `obj`, its numbers are Lua numbers, and only the libraries base, package and table are open (and an `os`
 * that tells the time, which a script about a status has no use for).
 *
 * @throws Error when the script fails or does not return a table.
 */
export function healthOf(script: string, resource: object): Health {
  const state = lauxlib.luaL_newstate();
  for (const [name, open] of [
    ['package', lualib.luaopen_package],
    ['_G', lualib.luaopen_base],
    ['table', lualib.luaopen_table],
  ] as const) {
    lauxlib.luaL_requiref(state, bytes(name), open, 1);
    lua.lua_pop(state, 1);
  }
  push(state, resource);
  lua.lua_setglobal(state, bytes('obj'));
  const loaded = lauxlib.luaL_loadstring(state, bytes(script));
  if (loaded !== lua.LUA_OK || lua.lua_pcall(state, 0, lua.LUA_MULTRET, 0) !== lua.LUA_OK)
    throw new Error(lua.lua_tojsstring(state, -1) ?? 'the script failed');
  if (lua.lua_gettop(state) !== 1 || !lua.lua_istable(state, 1))
    throw new Error('the script did not return one table');
  return { status: field(state, 'status'), message: field(state, 'message') };
}

function field(state: State, name: string): string {
  lua.lua_getfield(state, 1, bytes(name));
  const value = lua.lua_tojsstring(state, -1);
  lua.lua_pop(state, 1);
  if (value === null) throw new Error(`${name} is not a string`);
  return value;
}

/** Onto the stack, as `decodeValue` of Argo CD converts the JSON of a resource. */
function push(state: State, value: unknown): void {
  if (typeof value === 'string') lua.lua_pushstring(state, bytes(value));
  else if (typeof value === 'number') lua.lua_pushnumber(state, value);
  else if (typeof value === 'boolean') lua.lua_pushboolean(state, value);
  else if (typeof value !== 'object' || value === null) lua.lua_pushnil(state);
  else {
    lua.lua_createtable(state, 0, 0);
    for (const [key, inner] of Object.entries(value)) {
      push(state, inner);
      if (Array.isArray(value)) lua.lua_seti(state, -2, Number(key) + 1);
      else lua.lua_setfield(state, -2, bytes(key));
    }
  }
}
