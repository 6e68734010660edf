// The directories that builds work in: one per builder, kept between builds; a second build at the same time gets another. One that
// nobody used for long is removed, here and by nobody else: only the worker knows which are in use.
import {mkdirSync, readdirSync, renameSync, statSync, utimesSync} from 'node:fs'
import {rm} from 'node:fs/promises'
import {join} from 'node:path'

/** No builder's name begins so. */
const aside = '.going.'

export class Workspaces {
  readonly root: string
  private readonly taken = new Set<string>()

  constructor(stateDir: string) {
    this.root = join(stateDir, 'workspaces')
    mkdirSync(this.root, {recursive: true})
  }

  /** Takes the workspace of this name, or the lowest `NAME.2`, `NAME.3` that nobody uses. */
  take(name: string): string {
    let chosen = name
    for (let number = 2; this.taken.has(chosen); number++) chosen = `${name}.${number}`
    this.claim(chosen)
    return chosen
  }

  /** Takes exactly this one, for an attempt of an earlier life. */
  claim(name: string): void {
    this.taken.add(name)
    mkdirSync(join(this.root, name), {recursive: true})
  }

  /** From now on nobody uses it; when that was is told by its time. */
  release(name: string): void {
    this.taken.delete(name)
    const now = new Date()
    try {
      utimesSync(this.path(name), now, now)
    } catch {
      // A build may have removed the very directory it worked in.
    }
  }

  /**
   * Removes what nobody used for so long, and what an earlier removal left; answers the names, and what stayed with the reason. A
   * name is free at once: it is moved aside before anything in it goes.
   */
  async removeUnused(keepMs: number, now: number): Promise<{removed: string[]; left: [string, string][]}> {
    const removed: string[] = []
    const left: [string, string][] = []
    for (const name of readdirSync(this.root)) {
      try {
        if (!name.startsWith(aside)) {
          if (this.taken.has(name) || now - statSync(this.path(name)).mtimeMs < keepMs) continue
          renameSync(this.path(name), this.path(aside + name))
        }
        await rm(this.path(name.startsWith(aside) ? name : aside + name), {recursive: true, force: true})
        removed.push(name)
      } catch (error) {
        left.push([name, (error as Error).message])
      }
    }
    return {removed, left}
  }

  path(name: string): string {
    return join(this.root, name)
  }
}
