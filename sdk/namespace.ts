/** A namespace as an object with one method per function. */
import type { NamespaceFunctions } from './osiris.ts'

/** `then` is no function of anybody: an object with one would be called by every `await`. */
export function createNamespace<T>(call: (name: string, args: unknown[]) => Promise<unknown>): NamespaceFunctions<T> {
  const methods = new Map<string, (...args: unknown[]) => Promise<unknown>>()
  const get = (_target: object, key: string | symbol): unknown => {
    if (typeof key === 'symbol' || key === 'then') return undefined
    const known = methods.get(key)
    if (known !== undefined) return known
    const method = (...args: unknown[]): Promise<unknown> => call(nameOf(key), args)
    methods.set(key, method)
    return method
  }
  return new Proxy(Object.freeze({}), { get }) as NamespaceFunctions<T>
}

/** Names have no capitals: `sendMail` → `send-mail`. */
export function nameOf(key: string): string {
  return key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}
