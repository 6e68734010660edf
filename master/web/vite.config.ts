// How the web page is built: one script, one style sheet, no inline script, nothing from elsewhere.
import {fileURLToPath} from 'node:url'
import react from '@vitejs/plugin-react'
import {defineConfig} from 'vite'

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  // Where the page lies is known only to the master that serves it.
  base: './',
  plugins: [react()],
  build: {
    outDir: '../../dist/web',
    emptyOutDir: true,
    target: 'es2022',
    modulePreload: {polyfill: false},
    assetsInlineLimit: 0,
    sourcemap: false,
  },
})
