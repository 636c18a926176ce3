/** The door. Only light things load with it: schemas and the YAML reader come when a file is read. */
import type { Project } from './project.ts'

export * from './folder.ts'
export * from './keys.ts'
export * from './load.ts'
export * from './nearest.ts'
export type * from './node-config.ts'
export * from './paths.ts'
export type * from './project.ts'

/** The name of a project's file in its folder. */
export const PROJECT_FILE = 'osiris.yaml'

/** Reads the text of an `osiris.yaml`. Throws `invalid_argument`: one `file:line:column: key: sentence` per fault. */
export async function readProject(text: string, file: string = PROJECT_FILE): Promise<Project> {
  const { parseProject } = await import('./project.ts')
  return parseProject(text, file)
}
