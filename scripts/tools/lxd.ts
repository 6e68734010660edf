// An image for LXD: one tar file of a root file system beside its description, as `lxc image import` takes it.
import {execFile} from 'node:child_process'
import {mkdir, mkdtemp, rename, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {promisify} from 'node:util'
import {Ending, exits} from '../../master/cli/exits.ts'
import {bootstrap, type Plan} from './bootstrap.ts'
import type {Flavor} from './flavors.ts'

const run = promisify(execFile)

/** In Debian's words to LXD's. */
const architectures: Readonly<Record<string, string>> = {
  x64: 'x86_64',
  arm64: 'aarch64',
  arm: 'armv7l',
  ppc64: 'ppc64le',
  s390x: 's390x',
  riscv64: 'riscv64',
}

/** Writes the file, which gets its name when what steps need was found inside; systemd is put into it, since a container of LXD boots. */
export async function writeLxd(
  flavor: Flavor,
  plan: Plan,
  file: string,
  needed: readonly string[],
): Promise<void> {
  const work = await mkdtemp(join(tmpdir(), 'ostler-lxd-'))
  const partial = `${file}.${String(process.pid)}.partial`
  try {
    const tar = join(work, 'root.tar')
    const root = join(work, 'rootfs')
    await bootstrap({...plan, packages: ['systemd', 'systemd-sysv', 'dbus', ...plan.packages]}, tar)
    await mkdir(root)
    await run('tar', ['-C', root, '-xf', tar])
    await rm(tar)
    const missing = await lacking(root, [...needed, ...flavor.check])
    if (missing !== '')
      throw new Ending(
        exits.failed,
        `the image lacks ${missing.replaceAll('\n', ', ')}: add what has it to packages in ${flavor.file}`,
      )
    await writeFile(join(work, 'metadata.yaml'), metadata(flavor, plan))
    await run('tar', ['-C', work, '--numeric-owner', '-czf', partial, 'metadata.yaml', 'rootfs'])
    await rename(partial, file)
  } catch (error) {
    if (error instanceof Ending) throw error
    throw new Ending(exits.failed, `${file} was not written: ${(error as Error).message}`)
  } finally {
    await rm(partial, {force: true})
    await rm(work, {recursive: true, force: true})
  }
}

async function lacking(root: string, tools: readonly string[]): Promise<string> {
  const script = `for tool do command -v "$tool" >/dev/null || echo "$tool"; done`
  const {stdout} = await run('chroot', [root, 'sh', '-c', script, 'sh', ...tools], {
    env: {PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'},
  })
  return stdout.trim()
}

const metadata = ({name, summary}: Flavor, {suite}: Plan): string =>
  JSON.stringify({
    architecture: architectures[process.arch] ?? process.arch,
    creation_date: Math.floor(Date.now() / 1000),
    properties: {
      description: `${summary} (ostler/${name})`,
      os: 'debian',
      release: suite,
      name: `ostler/${name}`,
    },
  })
