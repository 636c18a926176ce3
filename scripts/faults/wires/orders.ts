/** What the lab and its exchange say to each other, and the addresses both know. They stand in namespaces of the lab's own: nobody else can have them. */
import type { Weather } from './link.ts'

/** Of the exchange, as nodes see it: what functions write to is there. */
export const GATE = '10.71.0.254'
/** The same on every node: each has its namespace. */
export const HTTP_PORT = 4747
export const P2P_PORT = 4748

/** Where its HTTP door is; the mesh does not go this way. */
export function nodeAddress(node: number): string {
  return `10.71.0.${node + 1}`
}

/** Where the other nodes find it. */
export function meshAddress(node: number): string {
  return `10.72.0.${node + 1}`
}

export type Order =
  | { id: number; kind: 'weather'; links: [from: number, to: number, weather: Weather][] }
  /** With a server that listens outside: its connections are for the HTTP door of a node. */
  | { id: number; kind: 'door'; node: number }
  /** For a server that nodes can reach. */
  | { id: number; kind: 'listen' }

export interface Reply {
  /** Of the order; 0 when everything stands. */
  id: number
  /** By node: a process that keeps its namespace. */
  holders?: number[]
  port?: number
}
