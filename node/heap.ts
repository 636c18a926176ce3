/** When V8 collects in a node's process. Its own measure suits a heap that grows; a node's is small and still, and what passes through is not in it. */
import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { type Clock, every } from '#protocols/lifecycle'

/**
 * Results and bodies on their way are memory outside the heap, and count by themselves: some MB of them began a collection of the whole heap each time, 10 to
 * 20 a second with results of 3.5 MB, 5 to 20 ms each, in which every caller waited. Counted with the heap, and given room for three times what lives, there is one in some seconds.
 */
const ROOM_PERCENT = 300
/** Above it the room would be more than a host may have, and V8's own measure is the better one. */
const SMALL_BYTES = 256 * 1024 * 1024
const LOOK_MS = 10_000

/** Until the returned function is called. */
export function tendHeap(clock: Clock): () => void {
  setFlagsFromString('--external-memory-accounted-in-global-limit')
  look()
  return every(clock, LOOK_MS, look, () => {})
}

function look(): void {
  const { used_heap_size: used, external_memory: external } = getHeapStatistics()
  setFlagsFromString(`--heap-growing-percent=${used + external < SMALL_BYTES ? ROOM_PERCENT : 0}`)
}
