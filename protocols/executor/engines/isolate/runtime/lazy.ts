/**
 * Pieces of the runtime that are evaluated when they are first touched.
 *
 * Every isolate holds its own copy of all that the start-up snapshot evaluated: classes, their methods, maps, feedback. A thousand warm instances of small
 * functions would pay a thousand times for a Blob or a URLPattern none of them uses. A piece that is loaded through here costs its source text until then:
 * esbuild wraps a module that is `require`d inside the bundle in a function, and that function runs at the first access of one of its globals.
 *
 * For user code such a global is like those of Node that load late (`CompressionStream`): configurable, not enumerable, assignable; an accessor until it is
 * first read, a plain writable property afterwards. `typeof Blob` and `x instanceof Blob` read it, so they load it. What the runtime itself needs on every
 * call (outbox, errors, value calls) is never loaded this way: it has to be in place before user code could replace what it is made of.
 */
const { defineProperty, getPrototypeOf } = Reflect
const setAdd = Set.prototype.add
const setHas = Set.prototype.has
const { apply } = Reflect

type Exports = Record<string, unknown>

/** Loads once; a load that threw throws the same again. */
export function lazy<M>(load: () => M): () => M {
  let made: M | undefined
  return () => (made ??= load())
}

/** Prototypes of the platform's own objects: those cannot be cloned like data. */
const prototypes = new Set<object>()

/** As `lazy`, of a piece whose objects are had without its globals too: all it exports are known as the platform's. */
export function lazyPiece<M extends object>(load: () => M): () => M {
  return lazy(() => {
    const piece = load()
    for (const name of Object.keys(piece)) remember((piece as Exports)[name])
    return piece
  })
}

/** Defines globals with the attributes that Web IDL gives them. */
export function defineGlobals(target: object, values: Exports): void {
  for (const name of Object.keys(values)) put(target, name, values[name])
}

/** Defines globals that are exports of a piece, which is loaded when the first of them is read. */
export function defineLazyGlobals(target: object, load: () => object, names: string[]): void {
  for (const name of names)
    defineProperty(target, name, {
      configurable: true,
      enumerable: false,
      get() {
        const value = (load() as Exports)[name]
        put(target, name, value)
        return value
      },
      set(value: unknown) {
        put(target, name, value)
      },
    })
}

/** Whether the value is an instance of one of the globals defined here. */
export function isPlatformObject(value: object): boolean {
  for (let each = getPrototypeOf(value); each !== null; each = getPrototypeOf(each)) if (apply(setHas, prototypes, [each])) return true
  return false
}

function put(target: object, name: string, value: unknown): void {
  // Returns false, and does not throw, where user code has frozen its globals.
  defineProperty(target, name, { value, configurable: true, enumerable: false, writable: true })
  remember(value)
}

/** A class of the platform: what it makes is not data. */
export function remember(value: unknown): void {
  const prototype: unknown = typeof value === 'function' ? (value as { prototype?: unknown }).prototype : undefined
  if (typeof prototype === 'object' && prototype !== null) apply(setAdd, prototypes, [prototype])
}
