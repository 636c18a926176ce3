/** The nouns, with what `osiris --help` says about each. */
import type { Command } from 'commander'
import type { Context } from '../context.ts'

export interface Noun {
  name: string
  about: string
  load(): Promise<{ register(program: Command, context: Context): void }>
}

export const nouns: readonly Noun[] = [
  { name: 'node', about: 'one node on this host: start, status, stop', load: () => import('./node.ts') },
  { name: 'universe', about: 'a whole mesh on this machine: start, status, add, kill, stop', load: () => import('./universe.ts') },
  { name: 'deploy', about: 'publish a function, or every function of a folder with osiris.yaml', load: () => import('./deploy.ts') },
  { name: 'call', about: 'call a function and print its value', load: () => import('./call.ts') },
  { name: 'calls', about: 'calls that nobody waits for: list, show, cancel', load: () => import('./calls.ts') },
  { name: 'function', about: 'list, show, versions, rollback, remove', load: () => import('./function.ts') },
  { name: 'topic', about: 'messages to whoever subscribes: publish, list, dead, replay, remove', load: () => import('./topic.ts') },
  { name: 'schedule', about: 'functions that run by the clock: list', load: () => import('./schedule.ts') },
  { name: 'key', about: 'who you are: new, list, show', load: () => import('./key.ts') },
  { name: 'namespace', about: 'whose is what: create, list, transfer', load: () => import('./namespace.ts') },
  { name: 'grant', about: 'who may do what: add, list, revoke', load: () => import('./grant.ts') },
  { name: 'token', about: 'what a program shows to a node: create', load: () => import('./token.ts') },
  { name: 'domain', about: 'domains of your own: add, list, verify, remove', load: () => import('./domain.ts') },
  { name: 'quota', about: 'what namespaces may use: show, set, clear', load: () => import('./quota.ts') },
  { name: 'ledger', about: 'what was signed: log', load: () => import('./ledger.ts') },
  { name: 'doctor', about: 'what this host offers a node: walls, ports, room', load: () => import('./doctor.ts') },
  { name: 'completion', about: 'completion script for bash, zsh or fish', load: () => import('./completion.ts') },
]
