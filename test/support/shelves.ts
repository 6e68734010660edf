// Logs and artifacts for a test in each place they may lie: the state directory, a directory that masters share, and an
// object store on a real server.
import test, {type ExecutionContext} from 'ava'
import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import path from 'node:path'
import {openSay} from '../../master/world/say.ts'
import {openShelves, type Shelves} from '../../master/world/shelves.ts'
import {needs} from './needs.ts'
import {objectServer} from './object-server.ts'

export interface ShelfPlace {
  /** Opens it, as often as the test likes: each is another master's view. */
  open(): Promise<Shelves>
}

type Run = (t: ExecutionContext, place: ShelfPlace) => Promise<unknown>

/** Runs the test once per place. */
export function eachShelf(title: string, run: Run): void {
  test(`${title} (state directory)`, (t) => onFiles(t, 'own', run))
  test(`${title} (shared directory)`, (t) => onFiles(t, 'shared', run))
  onlyObjects(title, run)
}

/** For truths about places that several masters share. */
export function eachSharedShelf(title: string, run: Run): void {
  test(`${title} (shared directory)`, (t) => onFiles(t, 'shared', run))
  onlyObjects(title, run)
}

/** For truths about object stores only. */
export function onlyObjects(title: string, run: (t: ExecutionContext, place: ObjectPlace) => unknown): void {
  needs('object-store')(`${title} (object store)`, (t) => onObjects(t, run))
}

export interface ObjectPlace extends ShelfPlace {
  /** The `s3://…` that no other test uses, and the environment with its keys. */
  readonly url: string
  readonly environment: NodeJS.ProcessEnv
}

async function onFiles(t: ExecutionContext, which: 'own' | 'shared', run: Run): Promise<void> {
  const root = await mkdtemp(path.join(tmpdir(), 'ostler-shelves-'))
  t.teardown(() => rm(root, {recursive: true}))
  const filesDir = which === 'shared' ? root : null
  await run(t, {
    open: () => openShelves({stateDir: root, filesDir, objectStore: null}, openSay('silent'), {}),
  })
}

let prefixes = 0

async function onObjects(
  t: ExecutionContext,
  run: (t: ExecutionContext, place: ObjectPlace) => unknown,
): Promise<void> {
  const server = await objectServer()
  const url = server.url(`test-${String(++prefixes)}`)
  await run(t, {
    url,
    environment: server.keys,
    open: async () => {
      const options = {stateDir: '', filesDir: null, objectStore: url}
      const shelves = await openShelves(options, openSay('silent'), server.keys)
      t.teardown(() => shelves.close())
      return shelves
    },
  })
}
