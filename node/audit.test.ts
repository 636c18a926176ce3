/** The ledger of a real node, verified on its disk and over HTTP, by the command line too. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { RunningNode } from '#node/universe'
import { runCommand } from '#node/cli'
import { connect } from '#sdk'
import { auditFolder, auditNode } from './audit.ts'
import { TestMesh } from './components.fixture.ts'
import { openHost } from './host.ts'

let mesh: TestMesh
let node: RunningNode
let dataDir: string

beforeAll(async () => {
  mesh = await TestMesh.create()
  node = await mesh.add(['router', 'catalog', 'builder'])
  ;({ dataDir } = mesh.config(node.name, []))
  const osiris = await connect({ url: node.http, token: node.developerToken })
  for (const name of ['one', 'two']) await osiris.deploy({ namespace: 'demo', name, source: 'export default () => 1' })
})
afterAll(() => mesh.stop())

async function verify(...words: string[]) {
  let [out, err] = ['', '']
  const io = {
    env: { OSIRIS_STATE: dataDir, OSIRIS_TOKEN: node.developerToken },
    cwd: dataDir,
    out: (text: string) => (out += text),
    err: (text: string) => (err += text),
    stdin: Readable.from([]),
    tty: false,
    launcher: { command: '', args: [] },
    interrupted: () => new AbortController().signal,
  }
  return { code: await runCommand(['ledger', 'verify', ...words], io), out, err }
}

it('a running node is verified over HTTP, not on its disk; a stopped one on its disk; what was tampered with is found', async () => {
  const osiris = await connect({ url: node.http, token: node.developerToken })
  const { universe } = await osiris.network()
  const summary = await auditNode(universe.id, (from) => osiris.ledgerRecords(from))
  const { status } = await osiris.ledger()
  expect(summary).toMatchObject({ ok: true, entries: status.entries, damage: [] })
  expect(summary.receipts).toBeGreaterThanOrEqual(2)
  const told = await verify('--node', node.http)
  expect(told).toMatchObject({ code: 0, err: expect.stringContaining(`All that is here holds: ${status.entries} entries`) })
  expect(told.out).toContain('COMMITTED')
  expect(JSON.parse((await verify('--node', node.http, '--json')).out)).toEqual(summary)
  await expect(auditFolder(dataDir)).rejects.toMatchObject({ code: 'conflict' })

  await node.stop()
  const onDisk = await auditFolder(dataDir)
  expect(onDisk).toEqual({ ...summary, artifacts: onDisk.artifacts })
  expect(onDisk.artifacts).toBeGreaterThan(0)
  expect(await verify('--data', dataDir)).toMatchObject({
    code: 0,
    out: told.out,
    err: expect.stringContaining('Not checked: entries at the end'),
  })
  const host = await openHost({ dataDir, universeName: 'test', join: [] })
  const encodings = { keyEncoding: 'utf8', valueEncoding: 'view' } as const
  const key = `entry/${host.identity.id}/${'1'.padStart(16, '0')}`
  const [value] = await host.store.storage.getMany([key], encodings)
  const changed = (value as Uint8Array).map((byte, at) => (at === 40 ? byte ^ 1 : byte))
  await host.store.storage.batch([{ type: 'put', key, value: changed }], { ...encodings, sync: true })
  await host.close()
  expect(await auditFolder(dataDir)).toMatchObject({ ok: false, counts: { record: 1 } })
  const damaged = await verify('--data', dataDir)
  expect(damaged).toMatchObject({ code: 1, err: expect.stringContaining('does not match its checksum') })
  expect(damaged.err).toContain('The ledger is damaged: ')
  const digest = 'ab'.repeat(32)
  await mkdir(join(dataDir, 'artifacts', 'ab'), { recursive: true })
  await writeFile(join(dataDir, 'artifacts', 'ab', digest), 'other code')
  expect(await auditFolder(dataDir)).toMatchObject({ ok: false, counts: { record: 1, artifact: 1 } })
  expect(await readFile(join(dataDir, 'artifacts', 'ab', digest), 'utf8')).toBe('other code')
  expect(await verify('--data', `${dataDir}/nowhere`)).toMatchObject({ code: 3, err: expect.stringContaining('no node has been here') })
})
