// The web application: its files, and its one page for every address that is a page's.
import type {FastifyInstance} from 'fastify'
import {access, readFile} from 'node:fs/promises'
import path from 'node:path'
import {basePath} from '../base.ts'
import type {Needs} from '../needs.ts'
import {Refusal} from '../refusals.ts'

export function webRoutes(app: FastifyInstance, needs: Needs): void {
  const root = needs.webDirectory
  /** The one page, or null where none was built; its addresses begin with `./`, which is wherever the page lies now. */
  const page = async () => {
    const text = await readFile(path.join(root ?? '', 'index.html'), 'utf8').catch(() => null)
    return text && text.replaceAll('"./', `"${basePath(needs.settings().config.url)}`)
  }
  app.get<{Params: {'*': string}}>('/*', {config: {policy: 'open'}}, async (request, reply) => {
    const asked = request.params['*']
    const nothing = () => new Refusal(404, 'not-found', `there is nothing at /${asked.slice(0, 200)}`)
    if (root === null || isReserved(asked)) throw nothing()
    if (asked.startsWith('assets/')) {
      // Their names hold a hash of their content.
      return await reply.sendFile(asked, {maxAge: '365d', immutable: true})
    }
    const isFile =
      /\.[a-z0-9]{1,12}$/i.test(asked) &&
      !asked.includes('\0') &&
      (await exists(path.join(root, path.normalize(`/${asked}`))))
    if (isFile) return await reply.sendFile(asked, {maxAge: '5m'})
    if (asked !== '' && !wantsPage(request.headers.accept)) throw nothing()
    const text = await page()
    if (text === null) throw nothing()
    return await reply.header('cache-control', 'no-cache').type('text/html; charset=utf-8').send(text)
  })
}

const isReserved = (asked: string) => /^(api|worker|healthz|metrics|badge|cc\.xml)(\/|$)/i.test(asked)
const wantsPage = (accept: string | undefined) => accept === undefined || /text\/html|\*\/\*/.test(accept)
const exists = (file: string) =>
  access(file).then(
    () => true,
    () => false,
  )
