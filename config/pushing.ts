// What promotions push with belongs to the master alone. A configuration that would let a build have it is refused:
// whoever can push what no build has judged makes every promotion worthless.
import type {Config, Credentials, GitSource} from './config.ts'
import {secretsIn} from './terms/interpolation.ts'
import {areSecret} from './terms/repositories.ts'
import type {Finding} from './wording.ts'

/** Where a build would get what promotions push with. */
export function sharedPushCredentials({
  builders,
  changeSources,
  promotions,
}: Pick<Config, 'builders' | 'changeSources' | 'promotions'>): readonly Finding[] {
  const sources = changeSources.flatMap((source, at) => (source.kind === 'git' ? [{source, at}] : []))
  const kept = new Map(
    sources.flatMap(({source}) => secretNames(source.pushCredentials).map((name) => [name, source.name])),
  )
  const fetching = sources.flatMap(({source, at}) =>
    secretNames(source.credentials)
      .filter((name) => kept.has(name))
      .map((name) => ({path: ['changeSources', at, 'credentials'], name})),
  )
  const building = builders.flatMap(({env, steps}, at) => [
    ...secretsIn(env).map((name) => ({path: ['builders', at, 'env'], name})),
    ...steps.flatMap(({options}, step) =>
      [...secretsIn(options), ...ownCredentials(options)].map((name) => ({
        path: ['builders', at, 'steps', step],
        name,
      })),
    ),
  ])
  return [
    ...[...fetching, ...building].flatMap(({path, name}) => {
      const owner = kept.get(name)
      const message = `the secret ${name} is what promotions push to ${owner ?? ''} with: no build may have it; use another secret here`
      return owner === undefined ? [] : [{path, message}]
    }),
    ...sources.flatMap(({source, at}) => unseparated(source, at, promotions)),
  ]
}

/** A source that promotions push to with what its checkouts carry to every worker. */
function unseparated(source: GitSource, at: number, {rules}: Config['promotions']): readonly Finding[] {
  const rule = rules.find((each) => each.source === source.name)
  if (!rule || source.pushCredentials !== null || !areSecret(source.credentials)) return []
  const message = `promotion ${rule.name} would push with what every checkout has: give ${source.name} pushCredentials of its own, and credentials that may only read`
  return [{path: ['changeSources', at, 'credentials'], message}]
}

const secretNames = (credentials: Credentials | null): string[] =>
  [credentials?.password, credentials?.sshKey].flatMap((each) => (each ? [each.secret] : []))

/** The secrets of a step's own credentials; `secretsIn` finds those in its texts. */
function ownCredentials(options: unknown): string[] {
  const {credentials} = options as {credentials?: Credentials}
  return secretNames(credentials ?? null)
}
