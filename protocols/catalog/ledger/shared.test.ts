import { describe, expect, it } from 'vitest'
import { aFunction } from '../catalog.fixture.ts'
import { Shared } from './shared.ts'

const copy = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T

describe('Shared', () => {
  it('gives back what came in, its common parts as the same objects', () => {
    const shared = new Shared()
    const { manifest } = aFunction('one', 'a', ['/one'])
    const other = copy({ ...manifest, name: 'two' })
    const [first, second] = [shared.manifest(copy(manifest)), shared.manifest(other)]
    expect([first, second]).toEqual([manifest, other])
    expect(second.settings).toBe(first.settings)
    expect(second.provenance).toBe(first.provenance)
    expect(second.tests).toBe(first.tests)
    expect(second.parameters).toBe(first.parameters)
  })

  it('keeps apart what differs', () => {
    const shared = new Shared()
    const { manifest } = aFunction('one', 'a', ['/one'])
    const { manifest: other } = aFunction('one', 'a', ['/two'])
    shared.manifest(manifest)
    expect(shared.manifest(other)).toEqual(other)
  })

  it('goes on when there are more kinds than it remembers', () => {
    const shared = new Shared()
    for (let at = 0; at < 10_000; at += 1) {
      const { manifest } = aFunction('one', 'a', [`/${at}`])
      if (shared.manifest(manifest).settings.routes[0] !== `/${at}` || shared.text(`text ${at}`) !== `text ${at}`) throw new Error(`${at}`)
    }
    expect(shared.text('x'.repeat(1000))).toHaveLength(1000)
  })
})
