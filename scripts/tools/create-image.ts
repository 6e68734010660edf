// ostler-create-image: makes an image to build in from a flavor, with mmdebstrap, for Docker, Podman or LXD. It gets its name only
// when what steps need was found inside.
import {execFile} from 'node:child_process'
import {createReadStream} from 'node:fs'
import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {Command} from 'commander'
import type Docker from 'dockerode'
import {Ending, exits} from '../../master/cli/exits.ts'
import {say, sayError, sayJson} from '../../master/cli/print.ts'
import {span} from '../../master/cli/verb.ts'
import {imageTools} from '../../worker/world/engine.ts'
import {bootstrap, planOf, type Plan} from './bootstrap.ts'
import {engineWords, flavorLabel, imageOf, madeOfLabel, openEngine, toolLabel} from './engines.ts'
import {flavorFolders, flavorNames, readFlavor, type Flavor} from './flavors.ts'
import type {Tool} from './tool.ts'

interface Flags {
  readonly again?: boolean
  readonly maxAge?: number
  readonly lxd?: string
  readonly mirror?: string
  readonly flavors?: string
  readonly dryRun?: boolean
  readonly json?: boolean
  readonly engineSocket?: string
}

/** What every image needs: the supervisor's tools, and what gives a build's files back to the worker. */
const needed = ['sh', ...imageTools, 'chown']

export const createImage: Tool = () =>
  new Command('ostler-create-image')
    .description('make an image to build in from a flavor; without one, list the flavors')
    .argument('[flavor]', 'the name of a flavor')
    .option('--again', 'also when the image is as its flavor says')
    .option('--max-age <time>', 'also when it is older than this, such as 30d: packages have moved on', span)
    .option(
      '--lxd <file>',
      'instead of an image of Docker or Podman, write a tar file for `lxc image import`',
    )
    .option(
      '--mirror <url>',
      "where packages come from, instead of the flavor's or this machine's own mirror",
    )
    .option('--flavors <dir>', 'where the flavors lie, instead of /etc/ostler/flavors and our own')
    .option('--dry-run', 'only say what would be done')
    .option('--json', 'write what was done as JSON')
    .option(
      '--engine-socket <path>',
      'the socket of Docker or Podman, instead of the one that a worker would use',
    )
    .addHelpText(
      'after',
      `
A flavor is a file NAME.yaml in /etc/ostler/flavors or among our own: summary, suite (else this machine's release), mirror,
components, packages, check (programs that must be in the image) and setup (lines of shell, run inside with the packages there).
Its image is ostler/NAME; builders name it as their container's image. A running build keeps the image that it has.

Needs mmdebstrap, and root or unprivileged user namespaces. Exit codes: 0 done, or it is as it should be; 1 it could not be made,
or lacks something; 2 wrong usage or flavor; 3 no engine answers.`,
    )
    .action(async (name: string | undefined, flags: Flags) => {
      const folders = flavorFolders(flags.flavors)
      if (name === undefined) return listFlavors(folders, flags)
      const flavor = readFlavor(name, folders)
      if (flags.lxd !== undefined) return await makeForLxd(flavor, flags.lxd, flags)
      const docker = await openEngine(flags.engineSocket)
      const why = await whyMake(docker, flavor, flags)
      if (why === null) {
        if (flags.json) return sayJson({image: imageOf(name), made: false})
        return say(`${imageOf(name)} is as its flavor says; --again makes it anew`)
      }
      const plan = await planOf(flavor, flags.mirror ?? null)
      if (flags.dryRun) return tellPlan(flavor, plan, `${imageOf(name)} would be made: ${why}`, flags)
      sayError(`making ${imageOf(name)}: ${why}`)
      const id = await make(docker, flavor, plan)
      if (flags.json) sayJson({image: imageOf(name), made: true, id})
      else say(`${imageOf(name)} is made`)
    })

function listFlavors(folders: readonly string[], {json}: Flags): void {
  const flavors = flavorNames(folders).map((name) => readFlavor(name, folders))
  if (json) return sayJson({items: flavors})
  for (const {name, summary} of flavors) say(`${name}: ${summary}`)
}

function tellPlan(flavor: Flavor, plan: Plan, text: string, {json}: Flags): void {
  if (json) return sayJson({image: imageOf(flavor.name), made: false, plan})
  say(text)
  say(`  release ${plan.suite}, packages ${flavor.packages.join(' ') || 'none beside the minimum'}`)
  for (const source of plan.sources) say(`  ${source}`)
}

/** Why the image is to be made, in words; null when it is as it should be. */
async function whyMake(docker: Docker, flavor: Flavor, {again, maxAge}: Flags): Promise<string | null> {
  let found: Docker.ImageInspectInfo
  try {
    found = await docker.getImage(imageOf(flavor.name)).inspect()
  } catch (error) {
    if ((error as {statusCode?: number}).statusCode === 404) return 'there is none yet'
    throw new Ending(exits.away, engineWords(error))
  }
  if (again) return 'it was asked for'
  // An image without labels has none at all.
  const labels = found.Config.Labels as Record<string, string> | null
  if (labels?.[madeOfLabel] !== flavor.madeOf) return 'its flavor has changed'
  const ageSeconds = (Date.now() - Date.parse(found.Created)) / 1000
  return maxAge !== undefined && ageSeconds > maxAge ? 'it is too old' : null
}

async function make(docker: Docker, flavor: Flavor, plan: Plan): Promise<string> {
  const work = await mkdtemp(join(tmpdir(), 'ostler-image-'))
  try {
    const tar = join(work, 'root.tar')
    await bootstrap(plan, tar)
    const id = await importImage(docker, flavor, tar)
    const missing = await lacking(docker, id, flavor)
    if (missing.length > 0) {
      await docker
        .getImage(id)
        .remove({force: true})
        .catch(() => undefined)
      throw new Ending(
        exits.failed,
        `the image lacks ${missing.join(', ')}, and did not get its name: add what has it to packages in ${flavor.file}`,
      )
    }
    await rename(docker, flavor, id)
    return id
  } finally {
    await rm(work, {recursive: true, force: true})
  }
}

async function importImage(docker: Docker, flavor: Flavor, tar: string): Promise<string> {
  const options = {
    changes: [
      'CMD ["/bin/sh"]',
      'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      `LABEL ${flavorLabel}=${flavor.name}`,
      `LABEL ${madeOfLabel}=${flavor.madeOf}`,
    ],
  }
  try {
    let said = ''
    for await (const chunk of await docker.importImage(createReadStream(tar), options)) said += String(chunk)
    const lines = said
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as {status?: string; error?: string})
    const wrong = lines.find(({error}) => error !== undefined)?.error
    if (wrong !== undefined) throw new Error(wrong)
    return lines.at(-1)?.status?.trim() ?? ''
  } catch (error) {
    throw new Ending(exits.failed, `the engine does not take the image: ${engineWords(error)}`)
  }
}

/** What the image has not, asked in a container of it that is kept like a build's. */
async function lacking(docker: Docker, id: string, {check}: Flavor): Promise<readonly string[]> {
  const script = `for tool do command -v "$tool" >/dev/null || echo "$tool"; done`
  const container = await docker.createContainer({
    Image: id,
    Entrypoint: ['sh', '-c', script, 'sh', ...needed, ...check],
    Cmd: [],
    Labels: {[toolLabel]: 'create-image'},
    HostConfig: {CapDrop: ['ALL'], SecurityOpt: ['no-new-privileges'], NetworkMode: 'none'},
  })
  try {
    await container.start()
    const {StatusCode} = (await container.wait()) as {StatusCode: number}
    const said = await container.logs({stdout: true, stderr: true})
    // Each line comes with eight bytes that tell which stream it is of.
    const words = said.toString('latin1').match(/[\w.+-]+$/gm) ?? []
    return StatusCode === 0 ? words : ['a shell that runs']
  } catch (error) {
    if (/"sh"|executable file/.test(engineWords(error))) return ['sh']
    throw new Ending(exits.failed, `the image does not start: ${engineWords(error)}`)
  } finally {
    await container.remove({force: true}).catch(() => undefined)
  }
}

/** The name changes hands at once. What had it goes, unless a container uses it: then the janitor removes it later. */
async function rename(docker: Docker, {name}: Flavor, id: string): Promise<void> {
  const before = await docker
    .getImage(imageOf(name))
    .inspect()
    .then(
      (found) => found.Id,
      () => null,
    )
  await docker.getImage(id).tag({repo: `ostler/${name}`, tag: 'latest'})
  if (before !== null && before !== id)
    await docker
      .getImage(before)
      .remove()
      .catch(() => undefined)
}

async function makeForLxd(flavor: Flavor, file: string, flags: Flags): Promise<void> {
  const plan = await planOf(flavor, flags.mirror ?? null)
  if (flags.dryRun) return tellPlan(flavor, plan, `${file} would be written`, flags)
  const {writeLxd} = await import('./lxd.ts')
  await writeLxd(flavor, plan, file, needed)
  if (flags.json) return sayJson({file, made: true})
  const command = `lxc image import ${file} --alias ostler/${flavor.name}`
  say(
    (await hasProgram('lxc'))
      ? `${file} is made; now: ${command}`
      : `${file} is made; where LXD is: ${command}`,
  )
}

const hasProgram = (name: string): Promise<boolean> =>
  new Promise((resolve) => execFile('sh', ['-c', `command -v ${name}`], (error) => resolve(error === null)))
