/** The built-ins the runtime itself relies on, taken before any user code could replace them. Prototype methods come uncurried: `this` first. */
type Uncurried<F> = F extends (this: infer T, ...args: infer A) => infer R ? (self: T, ...args: A) => R : never

const { apply, getOwnPropertyDescriptor } = Reflect
const call = Function.prototype.call
const bind = Function.prototype.bind
function uncurry<F extends (...args: never[]) => unknown>(method: F): Uncurried<F> {
  return apply(bind, call, [method]) as Uncurried<F>
}

export { apply, getOwnPropertyDescriptor }
export const parse = JSON.parse
export const stringify = JSON.stringify
export const isArray = Array.isArray
export const now = Date.now
export const { min, max } = Math
export const PromiseThen = uncurry(Promise.prototype.then as (this: Promise<unknown>, ok?: unknown, bad?: unknown) => Promise<unknown>)
const NativePromise = Promise
export function resolved(value: unknown): Promise<unknown> {
  return new NativePromise((resolve) => resolve(value))
}
export const slice = uncurry(String.prototype.slice)
export const startsWith = uncurry(String.prototype.startsWith)
export const split = uncurry(String.prototype.split as (this: string, separator: string) => string[])
export const SafeMap = Map
export const mapGet = uncurry(Map.prototype.get)
export const mapSet = uncurry(Map.prototype.set)
export const mapDelete = uncurry(Map.prototype.delete)
export const mapForEach = uncurry(Map.prototype.forEach)
