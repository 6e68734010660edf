// git: bring the workspace to the revision being built.
//
// The source's credentials travel as secrets in the step's environment, under the four names that the worker's
// checkout reads: OSTLER_GIT_USER, OSTLER_GIT_PASSWORD, OSTLER_GIT_SSH_KEY and OSTLER_GIT_KNOWN_HOSTS. What
// promotions push with is never among them.
import {z} from 'zod'
import type {Template} from '../../../worker/protocol/plan.ts'
import type {Credentials, Expansion, GitSource} from '../../config.ts'
import {isGlob} from '../../terms/globs.ts'
import {template} from '../../terms/interpolation.ts'
import {count, flag} from '../../terms/names.ts'
import {didYouMean} from '../../terms/near.ts'
import {credentials, isRepositoryUrl, repositoryFault} from '../../terms/repositories.ts'
import type {Fault, Names} from '../kind.ts'
import {defineStep, flowOf, flowOptions, limitOptions, workdir, workdirFaults} from '../step.ts'

const modes = ['incremental', 'clean', 'fresh'] as const

const shape = z.strictObject({
  kind: z.literal('git'),
  repository: z
    .string({error: 'expected the name of a git source, or where the repository is'})
    .describe("The name of a git change source, or a repository's URL."),
  branch: template()
    .optional()
    .describe("Default: the build's branch of this repository, else the source's first. Text with holes."),
  revision: template()
    .optional()
    .describe(
      "Default: the build's revision of this repository, else the tip of the branch. Text with holes.",
    ),
  mode: z
    .enum(modes, {error: `expected one of ${modes.join(', ')}`})
    .prefault('incremental')
    .describe(
      '`incremental` keeps untracked files, `clean` removes them (also ignored ones), `fresh` starts with an empty directory.',
    ),
  depth: count(1, 1_000_000)
    .nullable()
    .prefault(null)
    .describe('Fetch only so many commits. `null` fetches all.'),
  submodules: flag()
    .prefault(false)
    .describe(
      'Check out submodules too, at all depths. Those on the same server are opened with the same credentials.',
    ),
  credentials: credentials().optional().describe("What opens the repository. Default: the source's."),
  workdir: workdir(),
  // As in Buildbot: without the source nothing else makes sense.
  ...flowOptions(true),
  ...limitOptions(),
})

/** The step kind `git`. */
export const git = defineStep({
  kind: 'git',
  summary: 'Bring the workspace to the revision being built. Sets `gotRevision` and `gotRevision.NAME`.',
  shape,
  example: `kind: git
repository: project
mode: incremental
`,
  check: (options, names) => [
    ...workdirFaults(options.workdir),
    ...repositoryFaults(options.repository, names),
  ],
  sets: ({repository}) => ['gotRevision', ...(repository === undefined ? [] : [`gotRevision.${repository}`])],
  expand: (options, name, expansion) => {
    const source = sourceOf(options.repository, expansion)
    const stamp = expansion.sourceStamps.find(
      ({repository}) => repository === options.repository || repository === source?.url,
    )
    const branch = stamp?.branch ?? source?.branches.find((each) => !isGlob(each)) ?? ''
    // A branch of one's own does not have the build's revision: its tip is meant.
    const revision = options.branch === undefined ? (stamp?.revision ?? '') : ''
    const flow = flowOf('git', name, options)
    return {
      ...flow,
      env: {...credentialEnv(options.credentials ?? source?.credentials), ...flow.env},
      command: {
        command: 'checkout',
        name: options.repository,
        url: [source?.url ?? options.repository],
        branch: options.branch ?? textTemplate(branch),
        revision: options.revision ?? textTemplate(revision),
        workdir: options.workdir,
        mode: options.mode,
        depth: options.depth,
        submodules: options.submodules,
      },
    }
  },
})

const textTemplate = (text: string): Template => (text === '' ? [] : [text])

function sourceOf(repository: string, {source}: Expansion): GitSource | undefined {
  const found = source(repository)
  return found?.kind === 'git' ? found : undefined
}

/** The environment in which the worker's checkout finds what opens a repository. */
function credentialEnv(credentials: Credentials | undefined): Record<string, Template> {
  return {
    ...(credentials?.user == null ? {} : {OSTLER_GIT_USER: [credentials.user]}),
    ...(credentials?.password == null ? {} : {OSTLER_GIT_PASSWORD: [{secret: credentials.password.secret}]}),
    ...(credentials?.sshKey == null ? {} : {OSTLER_GIT_SSH_KEY: [{secret: credentials.sshKey.secret}]}),
    ...(credentials?.knownHosts == null ? {} : {OSTLER_GIT_KNOWN_HOSTS: [credentials.knownHosts]}),
  }
}

function repositoryFaults(repository: string | undefined, {gitSource}: Names): readonly Fault[] {
  if (repository === undefined || gitSource.includes(repository)) return []
  if (isRepositoryUrl(repository)) {
    const message = repositoryFault(repository)
    return message === null ? [] : [{path: ['repository'], message}]
  }
  return [
    {path: ['repository'], message: `no git source named ${repository}${didYouMean(repository, gitSource)}`},
  ]
}
