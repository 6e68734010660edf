// Chromium for the browser tests: one launch, pages of a chosen size and colour scheme, and every error that a page
// wrote to its console or threw makes the test fail.
import {chromium, type Browser, type BrowserContext, type Page} from 'playwright-core'

const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

export interface Looks {
  readonly scheme?: 'light' | 'dark'
  readonly width?: number
  readonly height?: number
  /** Takes any certificate. */
  readonly trusting?: boolean
  /** Texts that a page may write to its console in this test, such as the refusal it provokes. */
  readonly mayComplain?: RegExp
}

export interface OpenPage {
  readonly page: Page
  /** Every address the page asked for, so that a test can refuse those that are not the master's. */
  readonly asked: readonly string[]
  /** Closes the page, and fails when it complained. */
  close(): Promise<void>
}

/** Launches the machine's Chromium. Close it when the tests end. */
export const launchBrowser = (): Promise<Browser> =>
  chromium.launch({executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium', args: flags})

/** Opens an empty page in a session of its own. */
export async function openPage(browser: Browser, looks: Looks = {}): Promise<OpenPage> {
  const context = await browser.newContext({
    colorScheme: looks.scheme ?? 'light',
    viewport: {width: looks.width ?? 1280, height: looks.height ?? 900},
    ignoreHTTPSErrors: looks.trusting ?? false,
  })
  const page = await context.newPage()
  const complaints: string[] = []
  const asked: string[] = []
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('request', (request) => asked.push(request.url()))
  return {page, asked, close: () => closeQuietly(context, complaints, looks.mayComplain)}
}

async function closeQuietly(context: BrowserContext, complaints: readonly string[], mayComplain?: RegExp) {
  await context.close()
  const unexpected = complaints.filter((text) => !mayComplain?.test(text))
  if (unexpected.length > 0) throw new Error(`the page complained:\n${unexpected.join('\n')}`)
}
