/** libp2p's store in memory, for what the DHT puts there: the oldest goes when there is too much. */
import type { KadDHTComponents } from '@libp2p/kad-dht'

type Datastore = KadDHTComponents['datastore']
type Key = Parameters<Datastore['put']>[0]

export interface DatastoreBounds {
  entriesMax: number
  bytesMax: number
}

/** Kademlia puts and deletes one by one; only that is counted. */
export function boundedDatastore(store: Datastore, { entriesMax, bytesMax }: DatastoreBounds): Datastore {
  const sizes = new Map<string, { key: Key; bytes: number }>()
  let total = 0
  const forget = (name: string): void => {
    total -= sizes.get(name)?.bytes ?? 0
    sizes.delete(name)
  }
  const remove: Datastore['delete'] = (key, options) => {
    forget(key.toString())
    return store.delete(key, options)
  }
  const put: Datastore['put'] = async (key, value, options) => {
    const name = key.toString()
    forget(name)
    sizes.set(name, { key, bytes: value.length + name.length })
    total += value.length + name.length
    for (const { key: oldest } of sizes.values()) {
      if (sizes.size <= entriesMax && total <= bytesMax) break
      await remove(oldest)
    }
    return store.put(key, value, options)
  }
  return new Proxy(store, {
    get(target, property) {
      if (property === 'put') return put
      if (property === 'delete') return remove
      const value: unknown = Reflect.get(target, property)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}
