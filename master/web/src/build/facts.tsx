// What else is known of a build: where it came from, what it built, what it left.
import {useQuery} from '@tanstack/react-query'
import {Link} from 'wouter'
import type {Build} from '../../../http/shapes.ts'
import {sayBytes, shortRevision, subjectOf} from '../../core/say.ts'
import {artifactAddress, read} from '../api.ts'
import {useRefreshed} from '../asking.ts'
import {Ago} from '../frame/times.tsx'
import {Fact} from '../waterfall/panel.tsx'
import {ChangeList} from '../waterfall/rails.tsx'

export const Facts = ({build}: {build: Build}) => (
  <section aria-labelledby="facts">
    <h2 id="facts">Where it came from</h2>
    <dl className="facts">
      <Fact name="Reason">{build.reason}</Fact>
      <Fact name="Origin">{build.origin}</Fact>
      <Fact name="Ran in">{build.executor}</Fact>
      {build.sourceStamps.map((stamp) => (
        <Fact key={stamp.repository} name={stamp.repository === '' ? 'Source' : stamp.repository}>
          {stamp.branch} {stamp.revision && <code>{shortRevision(stamp.revision)}</code>}
        </Fact>
      ))}
      <Fact name="Attempts">
        {build.attemptsLost > 0 && `${String(build.attemptsLost)} lost with their worker before this one`}
      </Fact>
      <Fact name="Cancelled">
        {build.cancelled && (
          <>
            by {build.cancelled.by}, <Ago at={build.cancelled.at} />
            {build.cancelled.reason !== '' && `: ${build.cancelled.reason}`}
          </>
        )}
      </Fact>
      <Fact name="Finished">{build.finishedAt && <Ago at={build.finishedAt} />}</Fact>
    </dl>
    <p>
      <Link href={`/?build=${build.id}`}>Show it on the waterfall</Link>
    </p>
  </section>
)

export function Changes({build}: {build: string}) {
  const {data} = useQuery({
    queryKey: ['build', build, 'changes'],
    queryFn: () => read.buildChanges(build),
    retry: false,
    staleTime: Infinity,
  })
  if (!data || data.items.length === 0) return null
  return (
    <section aria-labelledby="changes">
      <h2 id="changes">Changes</h2>
      <ChangeList changes={data.items.map((change) => ({...change, subject: subjectOf(change.message)}))} />
    </section>
  )
}

export function Artifacts({build, isOver}: {build: string; isOver: boolean}) {
  const key = ['build', build, 'artifacts']
  const {data} = useQuery({
    queryKey: [...key, isOver],
    queryFn: () => read.artifacts(build),
    placeholderData: (previous) => previous,
  })
  useRefreshed(key, ({type, data: told}) => type === 'step.finished' && told['build'] === build)
  if (!data || data.items.length === 0) return null
  return (
    <section aria-labelledby="artifacts">
      <h2 id="artifacts">Artifacts</h2>
      <ul className="artifacts">
        {data.items.map((artifact) => (
          <li key={artifact.id}>
            <a href={artifactAddress(artifact.id)} download title={`sha256 ${artifact.sha256}`}>
              {artifact.path === '' ? artifact.name : artifact.path}
            </a>
            <small>{sayBytes(artifact.bytes)}</small>
          </li>
        ))}
      </ul>
    </section>
  )
}

export function Properties({build}: {build: Build}) {
  const entries = Object.entries(build.properties)
  if (entries.length === 0) return null
  return (
    <section>
      <details>
        <summary>
          <h2>Properties ({entries.length})</h2>
        </summary>
        <dl className="facts mono">
          {entries
            .sort(([a], [b]) => a.localeCompare(b))
            .map(([name, value]) => (
              <Fact key={name} name={name}>
                {typeof value === 'string' ? value : JSON.stringify(value)}
              </Fact>
            ))}
        </dl>
      </details>
    </section>
  )
}
