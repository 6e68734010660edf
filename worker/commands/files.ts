// Finding files of a workspace by globs. Nothing outside the workspace is ever found: symbolic links are followed only to
// files, and only to those inside.
import {constants} from 'node:fs'
import {access, readdir, realpath, stat} from 'node:fs/promises'
import {join} from 'node:path'
import picomatch from 'picomatch'

export interface Found {
  /** Below the workspace. */
  readonly path: string
  readonly file: string
  readonly bytes: number
}

export interface Finding {
  readonly found: readonly Found[]
  readonly unreadable: readonly {readonly path: string; readonly reason: string}[]
}

const entriesMax = 1_000_000

/** The files below a directory that match one of the globs, sorted. */
export async function matching(root: string, globs: readonly string[]): Promise<Finding> {
  const clean = globs.map((glob) => glob.replace(/^(\.?\/)+/, ''))
  const isMatch = picomatch(clean, {dot: clean.some((glob) => /(^|\/)\./.test(glob)), nonegate: true})
  const bases = [...new Set(clean.map((glob) => picomatch.scan(glob).base))].filter(
    (base) => !base.split('/').includes('..'),
  )
  const found = new Map<string, Found>()
  const unreadable = new Map<string, string>()
  const inside = await realpath(root)
  let seen = 0
  const visit = async (path: string): Promise<void> => {
    if (++seen > entriesMax)
      throw new Error(`more than ${entriesMax} files to look through for ${globs.join(' ')}`)
    const file = join(root, path)
    if (path !== '' && isMatch(path)) await take(path, file)
    const children = await readdir(file, {withFileTypes: true}).catch((error: unknown) => {
      const {code} = error as NodeJS.ErrnoException
      if (code !== 'ENOTDIR' && code !== 'ENOENT')
        unreadable.set(path, reasonOf(error as NodeJS.ErrnoException))
      return []
    })
    for (const child of children) {
      const inner = path === '' ? child.name : `${path}/${child.name}`
      if (child.isDirectory()) await visit(inner)
      else if (isMatch(inner)) await take(inner, join(root, inner))
    }
  }
  const take = async (path: string, file: string): Promise<void> => {
    try {
      const real = await realpath(file)
      if (real !== inside && !real.startsWith(`${inside}/`))
        return void unreadable.set(path, 'it leads out of the workspace')
      const {size} = await stat(real).then((stats) => (stats.isFile() ? stats : {size: null}))
      if (size === null) return
      await access(real, constants.R_OK)
      found.set(path, {path, file: real, bytes: size})
    } catch (error) {
      unreadable.set(path, reasonOf(error as NodeJS.ErrnoException))
    }
  }
  for (const base of bases) {
    const real = await realpath(join(root, base)).catch(() => null)
    if (real !== null && (real === inside || real.startsWith(`${inside}/`))) await visit(base)
  }
  return {
    found: [...found.values()].sort((a, b) => (a.path < b.path ? -1 : 1)),
    unreadable: [...unreadable].map(([path, reason]) => ({path, reason})),
  }
}

function reasonOf({code = '', message}: NodeJS.ErrnoException): string {
  if (code === 'EACCES') return 'the worker may not read it (it belongs to another user)'
  if (code === 'ENOENT') return 'it leads nowhere'
  return message
}
