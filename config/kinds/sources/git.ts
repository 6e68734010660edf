// git: the master polls a repository's branches for new commits.
import {z} from 'zod'
import {duration} from '../../terms/durations.ts'
import {branchGlob, matchesGlob} from '../../terms/globs.ts'
import {someOf, thingName} from '../../terms/names.ts'
import {credentials, noCredentials, repositoryUrl} from '../../terms/repositories.ts'
import {defineSource} from '../source.ts'

const shape = z.strictObject({
  kind: z.literal('git'),
  name: thingName().describe('What schedulers, steps and promotions call it.'),
  url: repositoryUrl().describe('Where the repository is: https, ssh, git or a path on the master.'),
  branches: someOf(branchGlob(), 'branch')
    .prefault(['main'])
    .describe('The branches to watch, by name or glob (`release/*`).'),
  pollInterval: duration('60s')
    .prefault('60s')
    .describe('Time between looks. A webhook source may wake it sooner.'),
  credentials: credentials()
    .optional()
    .describe('What opens the repository, for polls and checkouts. Nothing for a public one.'),
  pushCredentials: credentials()
    .optional()
    .describe(
      'What promotions push with. It stays in the master: its secrets may not be used by any builder.',
    ),
})

/** The source kind `git`. */
export const git = defineSource({
  kind: 'git',
  summary:
    'Poll a git repository for new commits; every commit of a push becomes a change, in order and once.',
  shape,
  example: `kind: git
name: project
url: https://git.example.org/project
branches: [main, release/*]
pollInterval: 60s
`,
  resolve: (options) => ({
    kind: 'git',
    name: options.name,
    url: options.url,
    branches: options.branches,
    pollIntervalMs: options.pollInterval,
    credentials: options.credentials ?? noCredentials,
    pushCredentials: options.pushCredentials ?? null,
  }),
})

/** Whether a git source watches a branch. */
export const watches = (source: {readonly branches: readonly string[]}, branch: string): boolean =>
  source.branches.some((glob) => matchesGlob(branch, glob))
