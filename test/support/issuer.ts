// A certificate authority of a test's own, by the real openssl: certificates that are good, expired, or not yet valid.
import {execFileSync} from 'node:child_process'
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import type {ExecutionContext} from 'ava'

export interface Certified {
  readonly cert: string
  readonly key: string
}

const dayMs = 86_400_000
const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']

export class Issuer {
  /** Its own certificate. */
  readonly cert: string
  private readonly folder: string
  private issued = 0

  private constructor(folder: string) {
    this.folder = folder
    this.cert = join(folder, 'ca.pem')
  }

  /** Its files go with the test. */
  static make(t: Pick<ExecutionContext, 'teardown'>, name = 'Test CA'): Issuer {
    const issuer = new Issuer(mkdtempSync(join(tmpdir(), 'ostler-issuer-')))
    const {folder, cert} = issuer
    t.teardown(() => {
      rmSync(folder, {recursive: true})
    })
    issuer.openssl(
      'req',
      '-x509',
      ...newKey,
      '-days',
      '30',
      '-subj',
      `/CN=${name}`,
      '-keyout',
      'ca.key',
      '-out',
      cert,
    )
    writeFileSync(join(folder, 'index.txt'), '')
    writeFileSync(join(folder, 'index.txt.attr'), 'unique_subject = no\n')
    writeFileSync(
      join(folder, 'ca.conf'),
      `[ca]\ndefault_ca = own\n[own]\ndatabase = index.txt\nnew_certs_dir = .\nrand_serial = yes\ndefault_md = sha256\npolicy = any\n` +
        `copy_extensions = copy\n[any]\ncommonName = supplied\n`,
    )
    return issuer
  }

  /** A certificate for a name, for 127.0.0.1 too, valid from and to so many days from now. */
  certify(name: string, {fromDays = -1, toDays = 90} = {}): Certified {
    const [cert, key, request] = ['pem', 'key', 'csr'].map((kind) =>
      join(this.folder, `${name}-${String(++this.issued)}.${kind}`),
    ) as [string, string, string]
    const subject = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name},IP:127.0.0.1`]
    this.openssl('req', ...newKey, ...subject, '-keyout', key, '-out', request)
    const dates = ['-startdate', at(fromDays), '-enddate', at(toDays)]
    const ca = ['-batch', '-notext', '-config', 'ca.conf', '-cert', this.cert, '-keyfile', 'ca.key']
    this.openssl('ca', ...ca, ...dates, '-in', request, '-out', cert)
    return {cert, key}
  }

  private openssl(...args: readonly string[]): void {
    execFileSync('openssl', args, {cwd: this.folder, stdio: ['ignore', 'ignore', 'pipe']})
  }
}

/** As openssl writes times. */
const at = (days: number) => new Date(Date.now() + days * dayMs).toISOString().replace(/[-:T]|\.\d+/g, '')
