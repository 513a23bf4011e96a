/** The part of fengari that the tests use: Lua's C interface in JavaScript, which comes without types. */
declare module 'fengari' {
  /** A thread of a Lua program. */
  interface LuaState {
    readonly l_G: unknown;
  }
  /** A string of Lua: bytes with a length. */
  type LuaString = Uint8Array;

  export const to_luastring: (text: string) => LuaString;
  export const lua: {
    readonly LUA_OK: number;
    readonly LUA_MULTRET: number;
    readonly lua_createtable: (state: LuaState, items: number, fields: number) => void;
    readonly lua_getfield: (state: LuaState, index: number, name: LuaString) => number;
    readonly lua_gettop: (state: LuaState) => number;
    readonly lua_istable: (state: LuaState, index: number) => boolean;
    readonly lua_pcall: (state: LuaState, parameters: number, results: number, handler: number) => number;
    readonly lua_pop: (state: LuaState, count: number) => void;
    readonly lua_pushboolean: (state: LuaState, value: boolean) => void;
    readonly lua_pushnil: (state: LuaState) => void;
    readonly lua_pushnumber: (state: LuaState, value: number) => void;
    readonly lua_pushstring: (state: LuaState, value: LuaString) => void;
    readonly lua_setfield: (state: LuaState, index: number, name: LuaString) => void;
    readonly lua_setglobal: (state: LuaState, name: LuaString) => void;
    readonly lua_seti: (state: LuaState, index: number, position: number) => void;
    readonly lua_tojsstring: (state: LuaState, index: number) => string | null;
  };
  export const lauxlib: {
    readonly luaL_loadstring: (state: LuaState, script: LuaString) => number;
    readonly luaL_newstate: () => LuaState;
    readonly luaL_requiref: (state: LuaState, name: LuaString, open: unknown, isGlobal: number) => void;
  };
  export const lualib: {
    readonly luaopen_base: unknown;
    readonly luaopen_package: unknown;
    readonly luaopen_table: unknown;
  };
}
