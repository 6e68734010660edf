// What every command is given to work with.
import {lstatSync, mkdirSync, rmSync} from 'node:fs'
import {posix} from 'node:path'
import type {Fill} from '../core/templates.ts'
import {Broken} from '../world/engine.ts'
import type {Run} from './supervised.ts'

export interface Task extends Omit<Run, 'script' | 'showsValue'> {
  readonly fill: Fill
  readonly env: Readonly<Record<string, string>>
}

/** The step (index into the plan) of a run's id. */
export const stepOf = (id: string): number => Number(id.split('.')[0])

/** A directory below the workspace, as the plan names it. Throws Broken for one that is not below. */
export function below(workspace: string, directory: string): string {
  const path = posix.normalize(posix.join(workspace, directory))
  if (path !== workspace && !path.startsWith(`${workspace}/`))
    throw new Broken(`the directory "${directory}" is not below the workspace`)
  return path.replace(/\/$/, '')
}

/** Makes a directory below the workspace where it is not; a link on the way, which would lead out of it, is taken away. */
export function solid(workspace: string, directory: string): void {
  let path = workspace
  for (const part of posix.relative(workspace, directory).split('/').filter(Boolean)) {
    path = posix.join(path, part)
    if (lstatSync(path, {throwIfNoEntry: false})?.isDirectory()) continue
    rmSync(path, {force: true})
    mkdirSync(path)
  }
}
