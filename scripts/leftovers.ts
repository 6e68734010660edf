// What a run may leave behind although its master and worker are gone: processes that still work in its folder and
// containers that mount it. The demo and the tests end them; the tests fail for them.
import {readdirSync, readFileSync, readlinkSync, rmSync} from 'node:fs'
import type Docker from 'dockerode'
import {engine} from './engine.ts'

export interface Leftover {
  readonly kind: 'process' | 'container'
  readonly id: string
  readonly text: string
}

/** The processes and containers that still have to do with a folder. */
export async function leftovers(folder: string): Promise<Leftover[]> {
  return [...processesIn(folder), ...(await containersOn(folder))]
}

/** Ends all of them and removes the folder; answers what there was. Repeats, since a process may have just begun another. */
export async function sweep(folder: string): Promise<Leftover[]> {
  const swept: Leftover[] = []
  for (let round = 0; round < 5; round++) {
    const left = await leftovers(folder)
    if (left.length === 0) break
    swept.push(...left)
    for (const each of left) await end(each)
  }
  rmSync(folder, {recursive: true, force: true, maxRetries: 5, retryDelay: 50})
  return swept
}

async function end(leftover: Leftover): Promise<void> {
  if (leftover.kind === 'container') {
    await (
      await engine()
    )
      ?.getContainer(leftover.id)
      .remove({force: true})
      .catch(() => undefined)
    return
  }
  try {
    process.kill(Number(leftover.id), 'SIGKILL')
  } catch {
    // It ended by itself.
  }
}

function processesIn(folder: string): Leftover[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => isIn(pid, folder))
    .map((id) => ({kind: 'process', id, text: commandLine(id)}))
}

/**
 * Its working directory is there, or its command line or environment name it. Ours have no terminal: whoever looks
 * into the folder from a shell is left alone. Other users' processes cannot be looked at.
 */
function isIn(pid: string, folder: string): boolean {
  try {
    if (hasTerminal(pid)) return false
    const directory = readlinkSync(`/proc/${pid}/cwd`)
    if (directory === folder || directory.startsWith(`${folder}/`)) return true
    if (commandLine(pid).includes(`${folder}/`)) return true
    return readFileSync(`/proc/${pid}/environ`, 'latin1').includes(`${folder}/`)
  } catch {
    return false
  }
}

/** The seventh field of its status, counted after the name in parentheses, which may hold anything. */
function hasTerminal(pid: string): boolean {
  const status = readFileSync(`/proc/${pid}/stat`, 'latin1')
  return status.slice(status.lastIndexOf(')') + 2).split(' ')[4] !== '0'
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ').trim()
  } catch {
    return ''
  }
}

async function containersOn(folder: string): Promise<Leftover[]> {
  const docker = await engine()
  if (docker === null) return []
  const all: Docker.ContainerInfo[] = await docker.listContainers({all: true}).catch(() => [])
  return all
    .filter((each) => each.Mounts.some(({Source}) => Source === folder || Source.startsWith(`${folder}/`)))
    .map((each) => ({kind: 'container', id: each.Id, text: `${each.Image} ${each.Names.join(' ')}`}))
}
