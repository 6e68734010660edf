// What a run may leave behind although its master and worker are gone: processes that still work in its folder and
// containers that mount it. The demo and the tests end them; the tests fail for them.
import {readdirSync, readFileSync, readlinkSync, rmSync} from 'node:fs'
import type Docker from 'dockerode'
import {atSocket, engine} from './engine.ts'

export type Leftover = {readonly id: string; readonly text: string} & (
  {readonly kind: 'process'} | {readonly kind: 'container'; readonly remove: () => Promise<void>}
)

/** The processes and containers that still have to do with a folder; the engines at these sockets are asked, too. */
export async function leftovers(folder: string, sockets: readonly string[] = []): Promise<Leftover[]> {
  const found = await engine()
  const engines = [...(found ? [found] : []), ...sockets.map(atSocket)]
  const containers = await Promise.all(engines.map((docker) => containersOn(folder, docker)))
  return [...processesIn(folder), ...containers.flat()]
}

/** Ends all of them and removes the folder; answers what there was. Repeats, since a process may have just begun another. */
export async function sweep(folder: string, sockets: readonly string[] = []): Promise<Leftover[]> {
  const swept: Leftover[] = []
  for (let round = 0; round < 5; round++) {
    const left = await leftovers(folder, sockets)
    if (left.length === 0) break
    swept.push(...left)
    for (const each of left) await end(each)
  }
  rmSync(folder, {recursive: true, force: true, maxRetries: 5, retryDelay: 50})
  return swept
}

async function end(leftover: Leftover): Promise<void> {
  if (leftover.kind === 'container') return leftover.remove()
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

async function containersOn(folder: string, docker: Docker): Promise<Leftover[]> {
  const all: Docker.ContainerInfo[] = await docker.listContainers({all: true}).catch(() => [])
  return all
    .filter((each) => mounted(each).some((path) => path === folder || path.startsWith(`${folder}/`)))
    .map(({Id, Image, Names}) => ({
      kind: 'container',
      id: Id,
      text: `${Image} ${Names.join(' ')}`,
      remove: async () => {
        await docker
          .getContainer(Id)
          .remove({force: true})
          .catch(() => undefined)
      },
    }))
}

const mounted = ({Mounts}: Docker.ContainerInfo): string[] => Mounts.map(({Source}) => Source)
