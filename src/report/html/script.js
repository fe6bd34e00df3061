'use strict';
(() => {
  const $ = (id) => document.getElementById(id);
  const all = (selector) => [...document.querySelectorAll(selector)];
  const cases = all('.case');
  const texts = new WeakMap();
  const state = { q: '', v: new Set(), r: '', s: '' };

  // The text of a case is read once, when a search first needs it.
  const text = (one) => {
    let known = texts.get(one);
    if (known === undefined) {
      known = one.textContent.toLowerCase();
      texts.set(one, known);
    }
    return known;
  };
  const fits = (one, words) =>
    (!state.v.size || state.v.has(one.dataset.v)) &&
    (!state.r || state.r === one.dataset.r) &&
    (!state.s || state.s === one.dataset.s) &&
    words.every((word) => text(one).includes(word));

  const show = () => {
    const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const one of cases) {
      const fit = fits(one, words);
      one.hidden = !fit;
      shown += fit;
    }
    $('shown').textContent = shown === cases.length ? `${shown} cases` : `${shown} of ${cases.length}`;
    $('none').hidden = shown > 0;
    $('section').hidden = !state.s;
    $('section').textContent = `section ${state.s} ✕`;
    if ($('run')) $('run').value = state.r;
    all('.chip').forEach((chip) => chip.setAttribute('aria-pressed', state.v.has(chip.dataset.v)));
    all('.cell').forEach((cell) => cell.classList.toggle('on', cell.dataset.s === state.s && cell.dataset.r === state.r));
    remember();
  };

  // What is shown stands in the address, so that it can be sent to somebody.
  const remember = () => {
    const parts = new URLSearchParams();
    if (state.q) parts.set('q', state.q);
    if (state.v.size) parts.set('v', [...state.v].join(','));
    if (state.r) parts.set('r', state.r);
    if (state.s) parts.set('s', state.s);
    const hash = parts.toString();
    try { history.replaceState(null, '', hash ? `#${hash}` : location.pathname + location.search); } catch { /* no address here */ }
  };
  const recall = () => {
    const hash = location.hash.slice(1);
    if (/^c\d+$/.test(hash)) { const one = $(hash); if (one) one.open = true; return; }
    const parts = new URLSearchParams(hash);
    state.q = $('q').value = parts.get('q') || '';
    state.v = new Set((parts.get('v') || '').split(',').filter(Boolean));
    state.r = parts.get('r') || '';
    state.s = parts.get('s') || '';
  };
  const toCases = () => $('search').scrollIntoView({ block: 'start' });

  let timer;
  $('q').addEventListener('input', (event) => {
    state.q = event.target.value;
    clearTimeout(timer);
    timer = setTimeout(show, cases.length > 500 ? 120 : 0);
  });
  $('search').addEventListener('submit', (event) => event.preventDefault());
  $('run')?.addEventListener('change', (event) => { state.r = event.target.value; show(); });
  all('.chip').forEach((chip) => chip.addEventListener('click', () => {
    state.v.has(chip.dataset.v) ? state.v.delete(chip.dataset.v) : state.v.add(chip.dataset.v);
    show();
  }));
  all('.cell').forEach((cell) => cell.addEventListener('click', () => {
    const same = state.r === cell.dataset.r && state.s === cell.dataset.s;
    [state.r, state.s] = same ? ['', ''] : [cell.dataset.r, cell.dataset.s];
    show();
    if (!same) toCases();
  }));
  all('.find').forEach((button) => button.addEventListener('click', () => {
    state.q = $('q').value = button.dataset.q;
    state.v = new Set(['fail', 'warn', 'inconclusive'].filter((verdict) => document.querySelector(`.chip[data-v="${verdict}"]`)));
    state.r = state.s = '';
    show();
    toCases();
  }));
  $('section').addEventListener('click', () => { state.s = ''; show(); });
  $('clear').addEventListener('click', () => {
    state.q = $('q').value = state.r = state.s = '';
    state.v.clear();
    show();
  });
  $('open').addEventListener('click', () => {
    const shown = cases.filter((one) => !one.hidden);
    const opens = shown.some((one) => !one.open);
    shown.forEach((one) => { one.open = opens; });
    $('open').textContent = opens ? 'close all' : 'open all';
  });
  if (navigator.clipboard) {
    all('.copy').forEach((button) => {
      button.hidden = false;
      button.addEventListener('click', async () => {
        await navigator.clipboard.writeText(button.previousElementSibling.textContent);
        button.textContent = 'copied';
      });
    });
  }
  document.addEventListener('keydown', (event) => {
    if (event.key === '/' && document.activeElement !== $('q')) { event.preventDefault(); $('q').focus(); }
  });
  window.addEventListener('hashchange', () => { recall(); show(); });
  recall();
  show();
})();
