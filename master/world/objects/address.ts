// Where an object store is and who asks: `s3://BUCKET/PREFIX?endpoint=URL&region=NAME&pathStyle=true`. Keys are never part
// of it, since a command line and an environment are easily seen; they come from systemd credentials, a directory of
// files or AWS's own variables.
import {SecretMissing, Secrets} from '../secrets.ts'

export interface ObjectAddress {
  readonly bucket: string
  /** What all names begin with: empty, or with a slash at its end. */
  readonly prefix: string
  /** Null for Amazon's own. */
  readonly endpoint: string | null
  readonly region: string
  /** Whether the bucket is part of the path instead of the host's name. */
  readonly pathStyle: boolean
}

export interface ObjectKeys {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

const known = ['endpoint', 'region', 'pathStyle']
const example = 's3://bucket/prefix?endpoint=https://objects.example.org'

/** Reads `--object-store`. Throws an Error that says what is wrong with it. */
export function parseObjectStore(text: string, environment: NodeJS.ProcessEnv): ObjectAddress {
  const wrong = (why: string) => new Error(`--object-store: ${why}; it looks like ${example}`)
  if (!URL.canParse(text)) throw wrong(`${text} is no address`)
  const url = new URL(text)
  if (url.protocol !== 's3:') throw wrong(`only s3:// is understood, not ${url.protocol}//`)
  if (url.username || url.password)
    throw new Error(
      '--object-store must not hold keys: give them as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or as systemd credentials',
    )
  const strange = [...url.searchParams.keys()].find((key) => !known.includes(key))
  if (strange !== undefined) throw wrong(`${strange} is not one of ${known.join(', ')}`)
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(url.hostname))
    throw wrong(`"${url.hostname}" cannot be a bucket's name`)
  const endpoint = url.searchParams.get('endpoint')
  if (endpoint !== null && !(URL.canParse(endpoint) && /^https?:$/.test(new URL(endpoint).protocol)))
    throw wrong(`the endpoint ${endpoint} is no http:// or https:// address`)
  const style = url.searchParams.get('pathStyle')
  if (style !== null && style !== 'true' && style !== 'false')
    throw wrong(`pathStyle is true or false, not ${style}`)
  const prefix = decodeURIComponent(url.pathname).replace(/^\/+|\/+$/g, '')
  return {
    bucket: url.hostname,
    prefix: prefix === '' ? '' : `${prefix}/`,
    endpoint,
    region: url.searchParams.get('region') ?? environment['AWS_REGION'] ?? 'us-east-1',
    // Most stores that are not Amazon's have no host name for each bucket.
    pathStyle: style === null ? endpoint !== null : style === 'true',
  }
}

/**
 * The keys: the secrets `aws-access-key-id` and `aws-secret-access-key` (systemd credentials), else AWS_ACCESS_KEY_ID and
 * AWS_SECRET_ACCESS_KEY; null leaves it to what Amazon's library finds by itself, such as the machine's role.
 */
export async function readObjectKeys(environment: NodeJS.ProcessEnv): Promise<ObjectKeys | null> {
  const secrets = new Secrets(null, environment)
  const find = async (name: string, variable: string) => {
    try {
      return await secrets.read(name)
    } catch (error) {
      if (!(error instanceof SecretMissing)) throw error
      return environment[variable] || null
    }
  }
  const accessKeyId = await find('aws-access-key-id', 'AWS_ACCESS_KEY_ID')
  const secretAccessKey = await find('aws-secret-access-key', 'AWS_SECRET_ACCESS_KEY')
  const sessionToken = environment['AWS_SESSION_TOKEN']
  if (accessKeyId === null && secretAccessKey === null) return null
  if (accessKeyId === null || secretAccessKey === null)
    throw new Error(
      `the object store's ${accessKeyId === null ? 'AWS_ACCESS_KEY_ID' : 'AWS_SECRET_ACCESS_KEY'} is missing: only the other of the two keys is set`,
    )
  return {accessKeyId, secretAccessKey, ...(sessionToken ? {sessionToken} : {})}
}
