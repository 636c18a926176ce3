/** Circles among imports. */

/** One shortest circle for each knot (strongly connected component) of the graph, each beginning with its first name in order. */
export function cyclesOf(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const found: string[][] = []
  const done = new Set<string>()
  for (const start of [...graph.keys()].toSorted()) {
    if (done.has(start)) continue
    const circle = shortestWay(graph, start, start)
    if (circle === undefined) continue
    found.push(circle)
    for (const each of circle) done.add(each)
  }
  return found
}

/** Breadth first; `from` to `to` by at least one step, without `to` at the end. */
function shortestWay(graph: ReadonlyMap<string, readonly string[]>, from: string, to: string): string[] | undefined {
  const cameFrom = new Map<string, string>()
  const queue = [from]
  for (let at = queue.shift(); at !== undefined; at = queue.shift()) {
    for (const next of graph.get(at) ?? []) {
      if (next === to) return backFrom(at, from, cameFrom)
      if (next === from || cameFrom.has(next)) continue
      cameFrom.set(next, at)
      queue.push(next)
    }
  }
  return undefined
}

function backFrom(last: string, first: string, cameFrom: ReadonlyMap<string, string>): string[] {
  const way = [last]
  while (way[0] !== first) way.unshift(cameFrom.get(way[0]!)!)
  return way
}
