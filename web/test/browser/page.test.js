// The client in a real browser: usable for everybody, at every width, and nothing that is said becomes
// markup. What needs a gateway is tested by `./test calls`.

import test from 'node:test';
import assert from 'node:assert/strict';
import { Stage, axe } from './stage.js';

const stage = await Stage.open();
test.after(() => stage.close());
test.afterEach(() => stage.clear());

const room = `@#rust:libera:${stage.host}`;
const ana = `@ana:libera:${stage.host}`;
const HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=1</script><b>bold</b> [x](javascript:alert(1))';
const row = (number, text, more = {}) => ({ number, messageId: `m${number}`, from: ana, nickname: 'Ana', time: 1_795_000_000_000 + number * 60_000, kind: 'text', text, ...more });
const data = {
  conversations: [
    { address: room, name: '#rust', kind: 'group', relation: 'accepted', places: [room], last: { number: 9, from: ana, nickname: 'Ana', time: 1_795_000_900_000, kind: 'text', excerpt: 'hello' }, unread: 3 },
    { address: stage.at('bob'), name: HOSTILE, kind: 'person', relation: 'invited', places: [stage.at('bob')], last: null, unread: 1 },
  ],
  messages: {
    [room]: [
      row(9, 'last'), row(8, `\`\`\`\n${'a long line of code '.repeat(20)}\n\`\`\``), row(7, 'mine', { from: stage.at('alice') }), row(6, '||hidden||'),
      row(5, '', { kind: 'reaction', replyTo: 'm2', reaction: '👍' }), row(4, 'joined', { kind: 'notice' }),
      row(3, `@ana:libera:example.org ${'x'.repeat(300)}`, { replyTo: 'm2' }), row(2, HOSTILE), row(1, '> quoted\n**bold** `code` https://example.org'),
    ],
    [stage.at('bob')]: [row(20, HOSTILE, { from: stage.at('bob'), nickname: HOSTILE })],
  },
};

/** Fails with what axe finds. */
async function isAccessible(page, where) {
  // What moves has another contrast while it does.
  await page.evaluate(() => Promise.all(document.getAnimations().filter((one) => one.effect.getTiming().iterations !== Infinity).map((one) => one.finished)));
  await page.evaluate(`${axe}; 0`);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target, failureSummary }) => `${target.join(' ')} ${failureSummary}`).join('; ')}`);
  assert.deepEqual(found, [], where);
}

for (const colorScheme of ['light', 'dark']) {
  test(`no part of the client keeps anybody out (${colorScheme})`, async () => {
    const page = await stage.page({ ...data, colorScheme });
    await isAccessible(page, 'the list');
    await page.getByTestId('conversation').first().click();
    await page.getByTestId('message').last().hover();
    await isAccessible(page, 'a conversation');
    for (const [open, dialog] of [['info', 'card-write'], ['settings-open', 'settings'], ['new', 'new-dialog']]) {
      await page.getByTestId(open).click();
      if (open !== 'info') await page.getByTestId(dialog).waitFor();
      await isAccessible(page, open);
      await page.keyboard.press('Escape');
    }
    await page.getByTestId('call-video').click();
    await page.getByTestId('local-video').waitFor();
    await isAccessible(page, 'a call');
    assert.deepEqual(page.problems, []);
  });
}

test('the sign-in page keeps nobody out, in any language', async () => {
  const page = await stage.blank({ locale: 'zh-CN' });
  await page.goto(`http://${stage.host}/app/`);
  await page.getByRole('button', { name: '登录' }).waitFor();
  assert.equal(await page.evaluate(() => document.documentElement.lang), 'zh-Hans');
  await isAccessible(page, 'in Chinese');
  await page.getByTestId('language').selectOption('en');
  await page.getByRole('button', { name: 'Sign in' }).waitFor();
  await isAccessible(page, 'in English');
});

test('no name and no message becomes markup', async () => {
  const page = await stage.page(data);
  for (const name of [room, stage.at('bob')]) {
    await page.locator(`[data-testid="conversation"][data-address="${name}"]`).click();
    await page.getByTestId('message').last().waitFor();
    const made = await page.evaluate(() => ({
      title: document.title === '1',
      elements: document.querySelectorAll('.app img, .app script, .app b, .app [onerror], .app a[href^="javascript"]').length,
      words: document.querySelector('.messages').textContent.includes('<img src=x'),
    }));
    assert.deepEqual(made, { title: false, elements: 0, words: true });
  }
  assert.deepEqual(page.problems, []);
});

test('nothing is wider than a phone', async () => {
  const page = await stage.page({ ...data, viewport: { width: 360, height: 640 }, isMobile: true, hasTouch: true });
  const fits = () => page.evaluate(() => [...document.querySelectorAll('#root *')].filter((element) => {
    const { left, right, width } = element.getBoundingClientRect();
    return width > 0 && !element.closest('pre, .visually-hidden, .skip') && (right > innerWidth + 1 || left < -1);
  }).map((element) => element.className || element.tagName));
  assert.deepEqual(await fits(), []);
  await page.getByTestId('conversation').first().click();
  await page.getByTestId('message').last().waitFor();
  assert.deepEqual(await fits(), []);
  await page.getByTestId('call-video').click();
  await page.getByTestId('local-video').waitFor();
  assert.deepEqual(await fits(), []);
  await page.getByTestId('call-hangup').click();
  await page.getByTestId('call').waitFor({ state: 'detached' });
  await page.getByTestId('back').click();
  await page.getByTestId('conversations').waitFor();
});

test('a keyboard is enough to write, react, edit and withdraw', async () => {
  const page = await stage.page(data);
  await page.locator(`[data-testid="conversation"][data-address="${room}"]`).focus();
  await page.keyboard.press('Enter');
  await page.getByTestId('message').last().waitFor();
  await page.getByTestId('composer').focus();
  await page.keyboard.type('written');
  await page.keyboard.press('Enter');
  const last = page.getByTestId('message').last();
  await last.getByText('written').waitFor();
  await page.keyboard.press('ArrowUp');
  await page.keyboard.type(', edited');
  await page.keyboard.press('Enter');
  await last.getByText('written, edited').waitFor();
  await last.focus();
  await page.keyboard.press('ArrowUp');
  await page.keyboard.press('End');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.keyboard.press('Enter');
  await last.getByTestId('reaction').waitFor();
  await last.getByTestId('recall').focus();
  await page.keyboard.press('Enter');
  await page.getByTestId('ask-yes').focus();
  await page.keyboard.press('Enter');
  await last.getByText('withdrawn').waitFor();
});

test('a new message is read out, counted and kept over a reload', async () => {
  const page = await stage.page();
  const text = Buffer.from('hello **there**').toString('base64');
  const bob = stage.at('bob');
  page.push({ messageId: 'p1', code: '2001', text, from: bob, to: stage.at('alice'), nickname: 'Bob', time: Date.now() });
  await page.getByTestId('unread').getByText('1').waitFor();
  await page.getByTestId('conversation').click();
  await page.getByTestId('message').getByText('there').waitFor();
  await page.getByTestId('unread').waitFor({ state: 'detached' });
  page.push({ messageId: 'p2', code: '2001', text, from: bob, to: stage.at('alice'), nickname: 'Bob', time: Date.now() });
  await page.getByTestId('announcer').getByText('Bob: hello there').waitFor({ state: 'attached' });
  await page.reload();
  await page.waitForFunction(() => document.querySelectorAll('[data-testid="message"]').length === 2);
});
