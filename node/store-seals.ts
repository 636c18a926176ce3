/**
 * Hashes of the tables of the store, which never change once they are written. LevelDB verifies neither a table it reads nor one it merges into another: a
 * flipped bit in one can end the whole process. So a table that is not what it was is taken away before LevelDB sees it; what it held comes back from peers.
 * A table that was damaged before it was sealed is not noticed here.
 */
import { readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { digestOf } from '#protocols/codec'

/** In the store's own folder, so that it goes where the tables go; LevelDB leaves names alone that it does not know. */
const SEALS = 'SEALS.json'

const sealsSchema = z.strictObject({ digest: z.string(), tables: z.record(z.string(), z.string()) })
type Tables = z.infer<typeof sealsSchema>['tables']

/** Takes away the tables that are not what they were when they were sealed. Their names. */
export async function removeDamaged(directory: string): Promise<string[]> {
  const removed: string[] = []
  for (const [table, seal] of Object.entries(await sealed(directory))) {
    const path = join(directory, table)
    const bytes = await readIfThere(path)
    if (bytes === undefined || digestOf(bytes) === seal) continue
    await rm(path)
    removed.push(table)
  }
  return removed
}

/** Seals the tables that are new and were last written before `untilMs` (wall clock): one that is being written is no table yet. Throws what the disk says. */
export async function sealTables(directory: string, untilMs: number): Promise<void> {
  const before = await sealed(directory)
  const tables: Tables = {}
  for (const table of (await readdir(directory)).filter((file) => file.endsWith('.ldb')).toSorted()) {
    const seal = before[table] ?? (await sealOf(join(directory, table), untilMs))
    if (seal !== undefined) tables[table] = seal
  }
  if (JSON.stringify(tables) === JSON.stringify(before)) return
  const temporary = join(directory, `${SEALS}.new`)
  await writeFile(temporary, JSON.stringify({ digest: digestOfTables(tables), tables }))
  await rename(temporary, join(directory, SEALS))
}

/** For whoever makes other tables of the same names. */
export function breakSeals(directory: string): Promise<void> {
  return rm(join(directory, SEALS), { force: true })
}

/** Nothing when the seals are missing or damaged themselves. */
async function sealed(directory: string): Promise<Tables> {
  const bytes = await readIfThere(join(directory, SEALS))
  if (bytes === undefined) return {}
  try {
    const { digest, tables } = sealsSchema.parse(JSON.parse(bytes.toString()))
    return digest === digestOfTables(tables) ? tables : {}
  } catch {
    return {}
  }
}

function digestOfTables(tables: Tables): string {
  return digestOf(Buffer.from(JSON.stringify(tables)))
}

async function sealOf(path: string, untilMs: number): Promise<string | undefined> {
  const bytes = await readIfThere(path)
  if (bytes === undefined) return undefined
  const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Number.POSITIVE_INFINITY }))
  return mtimeMs < untilMs ? digestOf(bytes) : undefined
}

/** A table may be merged into another one between two looks. */
async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
