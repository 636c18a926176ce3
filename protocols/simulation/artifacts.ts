/** Artifacts on a virtual disk: a file is there whole or not at all, as `DirectoryArtifacts` promises. Outlives the lives of its node. */
import type { ArtifactStore } from '#protocols/catalog'
import { digestOf } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import type { Dice } from './dice.ts'
import type { VirtualDisk } from './disk.ts'
import type { Owner, Scheduler } from './scheduler.ts'

const PUT_MS = { min: 0.5, max: 8 }
const GET_MS = 0.2

export class VirtualArtifacts {
  readonly #scheduler: Scheduler
  readonly #dice: Dice
  readonly #disk: VirtualDisk
  readonly #files = new Map<string, { bytes: Uint8Array; atMs: number }>()

  constructor(scheduler: Scheduler, dice: Dice, disk: VirtualDisk) {
    this.#scheduler = scheduler
    this.#dice = dice
    this.#disk = disk
  }

  /** The store for one life of its node. `nowMs`: what the node's clock shows. */
  open(owner: Owner, nowMs: () => number): ArtifactStore {
    const wait = (ms: number) => new Promise<void>((resolve) => this.#scheduler.after(owner, ms, resolve))
    const put = async (digest: string, bytes: Uint8Array) => {
      await wait(this.#dice.between(PUT_MS.min, PUT_MS.max))
      this.#keep(digest, bytes, nowMs())
    }
    return {
      put,
      has: async (digest) => {
        await wait(GET_MS)
        return this.#files.has(digest)
      },
      get: async (digest) => {
        await wait(GET_MS)
        if (this.holds(digest)) return this.#files.get(digest)?.bytes
        this.#files.delete(digest)
        return undefined
      },
      read: async (digest, from, length) => {
        await wait(GET_MS)
        const bytes = this.#files.get(digest)?.bytes
        return bytes && { bytes: bytes.subarray(from, from + length), total: bytes.length }
      },
      receive: async (digest) => {
        const parts: Uint8Array[] = []
        return {
          write: async (bytes) => {
            await wait(GET_MS)
            parts.push(bytes)
          },
          commit: () => put(digest, Buffer.concat(parts)),
          discard: async () => void parts.splice(0),
        }
      },
      drop: async (digest) => {
        await wait(GET_MS)
        this.#files.delete(digest)
      },
      touch: async (digest) => {
        const file = this.#files.get(digest)
        if (file !== undefined) file.atMs = nowMs()
      },
      list: async () => [...this.#files].map(([digest, { bytes, atMs }]) => ({ digest, bytes: bytes.length, atMs })),
    }
  }

  /** Whether the whole artifact is on the disk. */
  holds(digest: string): boolean {
    const bytes = this.#files.get(digest)?.bytes
    return bytes !== undefined && digestOf(bytes) === digest
  }

  digests(): string[] {
    return [...this.#files.keys()].toSorted()
  }

  /** Flips one bit of a file. */
  flip(digest: string): void {
    const file = this.#files.get(digest)
    if (file === undefined) return
    const bytes = Uint8Array.from(file.bytes)
    const at = this.#dice.int(bytes.length)
    bytes[at] = (bytes[at] as number) ^ (1 << this.#dice.int(8))
    this.#disk.damaged = true
    file.bytes = bytes
  }

  #keep(digest: string, bytes: Uint8Array, atMs: number): void {
    const { trouble } = this.#disk
    if (trouble === 'ENOSPC') throw new OsirisError('storage_full', 'Cannot store the artifact: the disk is full')
    if (trouble === 'EIO') throw new OsirisError('unavailable', 'Cannot store the artifact: the disk fails')
    if (digestOf(bytes) !== digest) throw new OsirisError('unavailable', 'Cannot store the artifact: what came has another digest')
    this.#files.set(digest, { bytes, atMs })
  }
}
