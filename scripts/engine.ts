// The container engine of this machine, for the programs beside the product, and a tiny image for the demo.
import {type ChildProcess, execFileSync, spawn} from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import {tmpdir} from 'node:os'
import {basename, dirname, join} from 'node:path'
import Docker from 'dockerode'

/** Where an engine may listen, in the order in which a worker looks (worker/world/find-engine.ts). */
export function engineSockets(): string[] {
  const runtime = process.env['XDG_RUNTIME_DIR'] || `/run/user/${String(process.getuid?.() ?? 0)}`
  return [
    '/var/run/docker.sock',
    '/run/podman/podman.sock',
    `${runtime}/docker.sock`,
    `${runtime}/podman/podman.sock`,
  ].filter((path) => existsSync(path))
}

/** Docker's or Podman's API, when one answers, the one that a worker would use; null otherwise. */
export async function engine(): Promise<Docker | null> {
  const {DOCKER_HOST, CONTAINER_HOST} = process.env
  if (DOCKER_HOST) return answering(() => new Docker())
  if (CONTAINER_HOST) return answering(() => atSocket(CONTAINER_HOST.replace(/^unix:(\/\/)?/, '')))
  for (const socket of engineSockets()) {
    const docker = await answering(() => atSocket(socket))
    if (docker) return docker
  }
  return null
}

/** The engine at this socket, which may not answer. */
export const atSocket = (socketPath: string): Docker => new Docker({socketPath, timeout: 60_000})

async function answering(connect: () => Docker): Promise<Docker | null> {
  try {
    const docker = connect()
    await docker.ping()
    return docker
  } catch {
    return null
  }
}

/**
 * Imports an image made of this machine's own shell and a few programs with the libraries they want: nothing to
 * download, a second to make. Answers its name; remove it with `removeImage`.
 */
export async function importTinyImage(docker: Docker, name: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'ostler-image-'))
  try {
    fillRoot(folder)
    const tar = spawn('tar', ['-C', folder, '-c', '.'], {stdio: ['ignore', 'pipe', 'ignore']})
    await importFrom(docker, tar, name)
    return name
  } finally {
    rmSync(folder, {recursive: true, force: true})
  }
}

export async function removeImage(docker: Docker, name: string): Promise<void> {
  await docker.getImage(name).remove({force: true})
}

const programs = (
  'sh setsid grep sed awk cat chmod chown cp cut date dirname env expr false head id kill ln ls mkdir mkfifo mv nproc ' +
  'printf ps rm rmdir seq sleep sort stat tail tee test touch tr true uname uniq wc'
).split(' ')

function fillRoot(root: string): void {
  for (const folder of ['bin', 'etc', 'tmp', 'usr']) mkdirSync(join(root, folder))
  symlinkSync('../bin', join(root, 'usr', 'bin'))
  writeFileSync(join(root, 'etc', 'passwd'), 'root:x:0:0:root:/:/bin/sh\n')
  const found = programs.flatMap((name) => {
    const path = [`/bin/${name}`, `/usr/bin/${name}`].find((candidate) => existsSync(candidate))
    return path ? [{name, path: realpathSync(path)}] : []
  })
  for (const {name, path} of found) cpSync(path, join(root, 'bin', name))
  for (const library of librariesOf(found.map(({path}) => path))) copyWithFolders(library, root)
}

/** Absolute paths in the words of `ldd`, the loader included. */
function librariesOf(paths: readonly string[]): string[] {
  const words = execFileSync('ldd', paths, {encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore']})
  return [...new Set(words.match(/(?<=\s)\/\S+(?= \(0x)/g) ?? [])]
}

function copyWithFolders(path: string, root: string): void {
  mkdirSync(join(root, dirname(path)), {recursive: true})
  cpSync(realpathSync(path), join(root, dirname(path), basename(path)))
}

async function importFrom(docker: Docker, tar: ChildProcess, name: string): Promise<void> {
  if (!tar.stdout) throw new Error('tar has no output')
  const answer = await docker.importImage(tar.stdout, {repo: name, tag: 'latest', fromSrc: '-'})
  const last = await new Promise<string>((resolve, reject) => {
    let said = ''
    answer.on('data', (chunk: Buffer) => (said = chunk.toString()))
    answer.on('error', reject)
    answer.on('end', () => {
      resolve(said)
    })
  })
  if (last.includes('"error"')) throw new Error(`the image could not be imported: ${last}`)
}
