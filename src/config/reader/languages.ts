import { registerHooks } from 'node:module';

/** zod brings what it says in 64 languages, and we read one. To be called before it is loaded, in each thread. */
export function leaveLanguages(): void {
  registerHooks({
    resolve(specifier, context, next) {
      const isList = specifier.endsWith('/locales/index.js') && context.parentURL?.includes('/zod/');
      return isList ? { url: 'data:text/javascript,', shortCircuit: true } : next(specifier, context);
    },
  });
}
