/** Which part of a namespace's quota each node may give out. Pure. */

/** So much of the whole is divided equally, whatever is asked: who was asked for nothing has something to begin with. */
const FLOOR = 0.05
/** Where hardly anybody asks for anything, everybody has the same. */
const QUIET = 1

/**
 * In proportion to what was asked of each node lately, so that all together give out what there is, and a universe whose clients all use one door has its
 * whole quota there. `others`: what the other nodes that place calls told. Nodes that hear the same compute parts that add up to 1.
 */
export function shareOf(own: number, others: readonly number[]): number {
  const total = others.reduce((sum, each) => sum + each, own)
  const nodes = others.length + 1
  const extra = ((total + QUIET) * FLOOR) / nodes
  return (own + extra) / (total + extra * nodes)
}
