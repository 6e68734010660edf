// Configurations for tests of whole systems, as data: JSON is YAML.

type Step = Readonly<Record<string, unknown>>

/** A shell step; `more` are any other options of it. */
export const sh = (name: string, command: string, more: object = {}): Step => ({
  kind: 'shell',
  name,
  // What looks like a hole is the shell's own here.
  command: command.replaceAll('${', '$${'),
  ...more,
})

/** A builder with steps. */
export const builder = (name: string, steps: readonly Step[], more: object = {}) => ({name, steps, ...more})

/** A configuration whose builders can all be forced through the scheduler `force`, with workers `w1` ... */
export function written(
  builders: readonly {readonly name: string}[],
  {
    workers = [{name: 'w1'}],
    schedulers = [],
    ...more
  }: {workers?: object[]; schedulers?: object[]} & Record<string, unknown> = {},
): string {
  const force = {name: 'force', kind: 'force', builders: builders.map(({name}) => name)}
  return JSON.stringify({workers, builders, schedulers: [force, ...schedulers], ...more}, null, 2)
}

/** What has the branch `main` of a repository, polled as `repo`, built by the builder `check` when somebody pushes; `more` are any other options of the scheduler. */
export const onPush = (repository: {readonly server: string}, more: object = {}) => ({
  changeSources: [
    {
      name: 'repo',
      kind: 'git',
      url: `file://${repository.server}`,
      branches: ['main'],
      pollInterval: '1s',
    },
  ],
  schedulers: [
    {name: 'push', kind: 'singleBranch', source: 'repo', branch: 'main', builders: ['check'], ...more},
  ],
})
