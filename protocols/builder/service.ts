/** Builds on this node: a bounded number at a time, each in a folder of its own that is gone afterwards. */
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { nameOfArtifact } from '#protocols/artifact'
import { digestOf, encode } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import type { Events } from '#protocols/events'
import type { Clock, Startable } from '#protocols/lifecycle'
import { type FunctionSettings, type Manifest, manifestSchema } from '#protocols/manifest'
import type { Caller } from '#protocols/invocation'
import { type Artifact, artifactOf } from './artifact.ts'
import type { Builder, Built, Source, SourceFiles } from './builder.ts'
import { builderName, bundle, endProcess, isBuildFailure, leaveProcess, orAborted, takeProcess, warmUp } from './bundle.ts'
import { checkSource } from './checks.ts'
import { buildFailed, buildFailedFor, problemOf } from './problems.ts'
import { namesOf, testsOf } from './told.ts'
import { Turns } from './turns.ts'

export interface BuilderServiceInit {
  clock: Clock
  events: Events
  /** A folder of this service alone: what lies in it at start is a crashed build's and is removed. */
  workDir: string
  /** Told in the manifests it makes. */
  nodeName: string
  limits?: Partial<BuilderLimits>
}

export interface BuilderLimits {
  /** Builds at the same time; one uses up to all cores of the machine by itself. */
  concurrentMax: number
  /** Builds that wait for their turn; more are refused as `overloaded`. */
  queueMax: number
}

const DEFAULT_LIMITS: BuilderLimits = { concurrentMax: 2, queueMax: 64 }
/** Late enough not to compete with the node's own start. */
const WARM_UP_AFTER_MS = 2000

export class BuilderService implements Builder, Startable {
  readonly #clock: Clock
  readonly #events: Events
  readonly #workDir: string
  readonly #nodeName: string
  readonly #turns: Turns
  readonly #running = new Set<AbortController>()
  #stopped = false
  #cancelWarmUp = () => {}

  constructor(init: BuilderServiceInit) {
    const limits = { ...DEFAULT_LIMITS, ...init.limits }
    this.#clock = init.clock
    this.#events = init.events
    this.#workDir = init.workDir
    this.#nodeName = init.nodeName
    this.#turns = new Turns(limits.concurrentMax, limits.queueMax)
  }

  async start(): Promise<void> {
    this.#stopped = false
    await mkdir(this.#workDir, { recursive: true })
    for (const left of await readdir(this.#workDir)) await this.#remove(join(this.#workDir, left))
    this.#cancelWarmUp()
    this.#cancelWarmUp = this.#clock.after(WARM_UP_AFTER_MS, () => void this.#warmUp())
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#cancelWarmUp()
    const stopping = new OsirisError('unavailable', 'Cannot build: this builder is stopping')
    for (const each of this.#running) each.abort(stopping)
    await leaveProcess(this)
  }

  async build(source: Source, options: { caller: Caller; timeoutMs: number }): Promise<Built> {
    const settings = checkSource(source)
    const what = `"${source.namespace}/${source.name}"`
    if (this.#stopped) throw new OsirisError('unavailable', `Cannot build ${what}: this builder is stopping`)
    takeProcess(this)
    const abort = new AbortController()
    const late = new OsirisError('deadline_exceeded', `Cannot build ${what}: it was not done after ${options.timeoutMs} ms`)
    const cancelTimer = this.#clock.after(options.timeoutMs, () => abort.abort(late))
    this.#running.add(abort)
    try {
      // The turn is held until the bundler has really ended, the caller has its answer at the deadline.
      return await orAborted(
        this.#turns.take(abort.signal, () => this.#build(source, settings, abort.signal)),
        abort.signal,
      )
    } finally {
      cancelTimer()
      this.#running.delete(abort)
    }
  }

  async #build(source: Source, settings: FunctionSettings, signal: AbortSignal): Promise<Built> {
    const artifact = await this.#inFolder(source.files, (folder) => this.#bundle(folder, source, signal))
    const manifest: Manifest = {
      format: 1,
      namespace: source.namespace,
      name: source.name,
      artifact: nameOfArtifact(artifact.bytes),
      source: {
        digest: digestOf(encode(source.files)),
        entry: source.entry,
        language: /\.[cm]?tsx?$/.test(source.entry) ? 'typescript' : 'javascript',
      },
      parameters: artifact.parameters,
      settings,
      tests: testsOf(source.files),
      provenance: { node: this.#nodeName, tools: [await builderName(), `node ${process.versions.node}`], files: namesOf(source.files) },
    }
    return { manifest: manifestSchema.parse(manifest), artifact: artifact.bytes, warnings: artifact.warnings }
  }

  async #bundle(folder: string, source: Source, signal: AbortSignal, isFirst = true): Promise<Artifact> {
    const what = `"${source.namespace}/${source.name}"`
    try {
      const hasTsconfig = Object.hasOwn(source.files, 'tsconfig.json')
      const bundled = await bundle(folder, source.entry, { hasTsconfig, signal, clock: this.#clock })
      return await artifactOf(bundled, source, what)
    } catch (error) {
      if (error instanceof OsirisError) throw error
      signal.throwIfAborted()
      const [first, ...others] = isBuildFailure(error) ? error.errors.map((each) => problemOf(each, source.files)) : []
      if (first !== undefined) throw buildFailed(what, [first, ...others])
      // Anything else means that the bundler's process is gone, by this source or by something else: a fresh one tells which.
      await endProcess()
      if (isFirst) return this.#bundle(folder, source, signal, false)
      throw buildFailedFor(what, 'the bundler ended before it was done (is the source nested very deeply?)')
    }
  }

  async #inFolder<T>(files: SourceFiles, use: (folder: string) => Promise<T>): Promise<T> {
    await mkdir(this.#workDir, { recursive: true })
    const folder = await mkdtemp(join(this.#workDir, 'build-'))
    try {
      await writeAll(folder, files)
      return await use(folder)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOSPC')
        throw new OsirisError('storage_full', 'Cannot build: the disk of the builder is full', { cause: error })
      throw error
    } finally {
      await this.#remove(folder)
    }
  }

  async #remove(path: string): Promise<void> {
    try {
      await rm(path, { recursive: true, force: true, maxRetries: 2 })
    } catch (error) {
      this.#warn('Cannot remove a build folder', error)
    }
  }

  async #warmUp(): Promise<void> {
    if (this.#stopped) return
    takeProcess(this)
    try {
      await warmUp()
    } catch (error) {
      this.#warn('Cannot start the bundler ahead of the first build', error)
    }
  }

  #warn(act: string, error: unknown): void {
    this.#events.emit('log', { level: 'warn', room: 'builder', text: `${act}: ${error instanceof Error ? error.message : String(error)}` })
  }
}

async function writeAll(folder: string, files: SourceFiles): Promise<void> {
  // A package of its own: without it the bundler would take the settings of whatever package lies above.
  const all: SourceFiles = { 'package.json': '{}', ...files }
  const folders = new Set(Object.keys(all).map((path) => dirname(join(folder, path))))
  for (const each of folders) await mkdir(each, { recursive: true })
  await Promise.all(Object.entries(all).map(([path, text]) => writeFile(join(folder, path), text, { flag: 'wx' })))
}
