// The directories that builds work in: one per builder, kept between builds; a second build at the same time gets another.
import {mkdirSync} from 'node:fs'
import {join} from 'node:path'

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

  release(name: string): void {
    this.taken.delete(name)
  }

  path(name: string): string {
    return join(this.root, name)
  }
}
