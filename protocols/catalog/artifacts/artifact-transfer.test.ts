import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ARTIFACT_CHUNK_BYTES, chunksFit, nameOfArtifact } from '#protocols/artifact'
import { decode, digestOf, encode } from '#protocols/codec'
import { systemClock } from '#protocols/lifecycle'
import type { Network, Peer } from '#protocols/network'
import { until } from '#protocols/until'
import { ArtifactFetcher, type ArtifactFetcherInit } from './artifact-fetcher.ts'
import { MemoryArtifacts } from './artifacts.ts'
import { aFunction, type CatalogNode, CatalogUniverse, untilMembers } from '../catalog.fixture.ts'
import { nextPieceBytes, Pace, PIECE_BYTES_MAX, PIECE_BYTES_MIN } from './pace.ts'

const CHUNKS = 5
const bytes = Buffer.alloc((CHUNKS - 1) * ARTIFACT_CHUNK_BYTES + 1234)
for (let at = 0; at < bytes.length; at += 1) bytes[at] = (at * 2654435761) >>> 13
const name = nameOfArtifact(bytes)
const { digest, chunks } = name

/** The same bytes with one bit of a chunk flipped. */
function damaged(chunk: number): Uint8Array {
  const copy = Uint8Array.from(bytes)
  const at = chunk * ARTIFACT_CHUNK_BYTES + 7
  copy[at] = (copy[at] as number) ^ 1
  return copy
}

let universe: CatalogUniverse
let client: Network
beforeEach(async () => {
  universe = new CatalogUniverse()
  client = await universe.network('client', ['executor'])
})
afterEach(() => universe.stop())

/** A member that holds exactly `held` for the digest, true or not, and counts the pieces asked of it. */
async function holder(label: string, held: Uint8Array, piece = (from: number, length: number) => held.subarray(from, from + length)) {
  const network = await universe.network(label, ['catalog'])
  const asked: number[] = []
  network.handle('catalog/1', async ({ head }) => {
    const { from, length } = decode(head) as { from: number; length: number }
    asked.push(from)
    return { head: encode({ total: held.length }), body: piece(from, length) }
  })
  await until(() => client.members.get(network.peer) !== undefined)
  return { network, asked, peer: network.peer }
}

const options = (first: Peer) => ({ timeoutMs: 5000, first })
function fetcher(part: Partial<ArtifactFetcherInit> = {}) {
  const lies: Peer[] = []
  const store = new MemoryArtifacts()
  const made = new ArtifactFetcher({
    ...{ network: client, clock: systemClock, store, chunksOf: () => chunks },
    onLie: (_, peer) => lies.push(peer),
    ...part,
  })
  return { fetcher: made, store, lies }
}

describe('a large artifact', () => {
  it('is named by its chunks, a small one by its digest alone', () => {
    expect(chunks).toHaveLength(CHUNKS)
    expect(nameOfArtifact(bytes.subarray(0, ARTIFACT_CHUNK_BYTES)).chunks).toBeUndefined()
    expect(chunksFit(name)).toBe(true)
    expect(
      [
        { ...name, chunks: undefined },
        { ...name, chunks: chunks?.slice(1) },
        { bytes: 5, chunks },
      ].map(chunksFit),
    ).toEqual([false, false, false])
  })

  it('goes on from another holder at the first bad chunk, and the bad holder is named', async () => {
    const bad = await holder('bad', damaged(2))
    const good = await holder('good', bytes)
    const { fetcher: fetching, lies } = fetcher()
    expect(digestOf(await fetching.get(digest, options(bad.peer)))).toBe(digest)
    expect(lies).toEqual([bad.peer])
    expect(Math.min(...good.asked)).toBe(2 * ARTIFACT_CHUNK_BYTES)
    expect(Math.max(...bad.asked)).toBeLessThan(3 * ARTIFACT_CHUNK_BYTES)
  })

  it('whose holder dies half-way is gone on with elsewhere, from where it was', async () => {
    const dying = await holder('dying', bytes, (from, length) => {
      if (from >= 3 * ARTIFACT_CHUNK_BYTES) throw new Error('gone')
      return bytes.subarray(from, from + length)
    })
    const good = await holder('good', bytes)
    const { fetcher: fetching, store, lies } = fetcher()
    await fetching.keep(digest, options(dying.peer))
    expect(await store.get(digest)).toBeDefined()
    expect(Math.min(...good.asked)).toBe(3 * ARTIFACT_CHUNK_BYTES)
    expect(lies).toEqual([])
  })

  it('that no holder has undamaged is unavailable, and nothing of it is kept', async () => {
    const bad = await holder('bad', damaged(1))
    await holder('worse', damaged(1))
    const { fetcher: fetching, store } = fetcher()
    const nothing = fetching.keep(digest, options(bad.peer))
    await expect(nothing).rejects.toMatchObject({ code: 'unavailable' })
    expect(await store.list()).toEqual([])
  })

  it('of which a publisher names wrong chunks is had by its digest', async () => {
    const good = await holder('good', bytes)
    const { fetcher: fetching } = fetcher({ chunksOf: () => chunks?.toReversed() })
    expect(digestOf(await fetching.get(digest, options(good.peer)))).toBe(digest)
  })

  it('is had without its list of chunks too, and the lie is found at the end', async () => {
    const bad = await holder('bad', damaged(4))
    await holder('good', bytes)
    const { fetcher: fetching, lies } = fetcher({ chunksOf: () => undefined })
    expect(digestOf(await fetching.get(digest, options(bad.peer)))).toBe(digest)
    expect(lies).toEqual([bad.peer])
  })

  it('from members whose pieces are empty or too long comes from the honest one', async () => {
    const empty = await holder('empty', bytes, () => new Uint8Array())
    await holder('long', bytes, (from, length) => bytes.subarray(from, from + length + 1))
    await holder('honest', bytes)
    const { fetcher: fetching } = fetcher()
    expect(digestOf(await fetching.get(digest, options(empty.peer)))).toBe(digest)
  })

  it('is kept in memory for the caller when the disk is full', async () => {
    const store = new MemoryArtifacts()
    store.receive = () => Promise.reject(new Error('ENOSPC'))
    await holder('good', bytes)
    const { fetcher: fetching } = fetcher({ store })
    expect(digestOf(await fetching.get(digest, { timeoutMs: 5000 }))).toBe(digest)
    await expect(fetching.keep(digest, { timeoutMs: 5000 })).rejects.toMatchObject({ code: 'storage_full' })
  })
})

describe('among catalogs', () => {
  const code = 'x'.repeat(3 * ARTIFACT_CHUNK_BYTES)
  const { manifest, artifact } = aFunction('large', code)
  const published = async (node: CatalogNode) => node.service.publish(manifest, artifact, await universe.options())

  it('a publish of a large artifact commits, and a chunk damaged on a disk never leaves its node', async () => {
    const [a, b] = [await universe.node('a'), await universe.node('b')]
    await untilMembers([a, b], 1)
    await published(a)
    expect(await b.artifacts.get(manifest.artifact.digest)).toBeDefined()
    const broken = Uint8Array.from(artifact)
    broken[ARTIFACT_CHUNK_BYTES + 5] = 1
    await b.artifacts.put(manifest.artifact.digest, broken)
    expect(await b.service.localPiece(manifest.artifact.digest, 0, 1024)).toMatchObject({ total: artifact.length })
    expect(await b.service.localPiece(manifest.artifact.digest, ARTIFACT_CHUNK_BYTES, 1024)).toBeUndefined()
    expect(await b.artifacts.has(manifest.artifact.digest)).toBe(false)
    const { fetcher: fetching, lies } = fetcher({ chunksOf: () => manifest.artifact.chunks })
    await until(() => client.members.withRole('catalog').length === 2)
    expect(await fetching.get(manifest.artifact.digest, options(b.network.peer))).toHaveLength(artifact.length)
    expect(lies).toEqual([])
  })

  it('a manifest whose chunks are not those of its artifact is refused', async () => {
    const a = await universe.node('a')
    const { chunks: own = [] } = manifest.artifact
    const wrong = { ...manifest, artifact: { ...manifest.artifact, chunks: own.toReversed() } }
    await expect(a.service.publish(wrong, artifact, await universe.options('accepted'))).rejects.toMatchObject({ code: 'invalid_argument' })
    const none = { ...manifest, artifact: { digest: manifest.artifact.digest, bytes: artifact.length } }
    await expect(a.service.publish(none, artifact, await universe.options('accepted'))).rejects.toMatchObject({ code: 'invalid_argument' })
  })
})

describe('pace', () => {
  it('pieces shrink while they take long, grow while they are quick, and stay in their bounds', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 20_000 })), (times) => {
        let size = 64 * 1024
        for (const tookMs of times) {
          const next = nextPieceBytes(size, tookMs)
          expect(next).toBeGreaterThanOrEqual(PIECE_BYTES_MIN)
          expect(next).toBeLessThanOrEqual(PIECE_BYTES_MAX)
          expect(tookMs > 1000 ? next <= size : next >= size).toBe(true)
          size = next
        }
      }),
    )
  })

  it('few pieces are on their way at a time, however many artifacts are wanted', async () => {
    const pace = new Pace({ clock: systemClock })
    let running = 0
    let most = 0
    const one = () =>
      pace.run(async () => {
        running += 1
        most = Math.max(most, running)
        await new Promise((resolve) => setImmediate(resolve))
        running -= 1
      })
    await Promise.all(Array.from({ length: 100 }, one))
    expect(most).toBe(8)
  })
})
