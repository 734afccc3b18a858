# SPDX-License-Identifier: LGPL-2.1-or-later
"""The live page in headless Chromium, as a person sees it: what test-page and test-page-stream share."""

import os
import time

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

PATIENCE = 30.0


class Browser:
    """One tab."""

    def __init__(self, url, width=1280, height=1000, dark=False, shots=None):
        self.shots = shots
        options = Options()
        options.binary_location = '/usr/bin/chromium'
        for argument in ('--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage',
                         '--disable-background-networking', '--no-proxy-server'):
            options.add_argument(argument)
        options.set_capability('goog:loggingPrefs', {'browser': 'ALL'})
        self.driver = webdriver.Chrome(service=Service('/usr/bin/chromedriver'), options=options)
        self.driver.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', {
            'width': width, 'height': height, 'deviceScaleFactor': 1, 'mobile': width < 600})
        if dark:
            self.driver.execute_cdp_cmd('Emulation.setEmulatedMedia',
                                        {'features': [{'name': 'prefers-color-scheme', 'value': 'dark'}]})
        self.driver.get(url)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.driver.quit()

    def one(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def text(self, selector):
        return self.driver.execute_script('const e = document.querySelector(arguments[0]); return e ? e.innerText : ""', selector)

    def run(self, script, *args):
        return self.driver.execute_script(script, *args)

    def until(self, condition, what):
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f'not within {PATIENCE:.0f} s: {what}; the page says:\n{self.text("body")[:1500]}'
            time.sleep(0.05)

    def shot(self, name):
        if self.shots:
            self.driver.save_screenshot(os.path.join(self.shots, f'{name}.png'))

    def complaints(self):
        """What the console holds against the page, save for servers that are not there."""
        return [entry['message'] for entry in self.driver.get_log('browser')
                if entry['level'] == 'SEVERE' and 'ERR_CONNECTION' not in entry['message']]

    def figure(self, label):
        """'4.02 Mbit/s' of the figures above the charts."""
        return self.run('''for (const box of document.querySelectorAll('.figures div'))
            if (box.querySelector('dt').innerText === arguments[0]) return box.querySelector('dd').innerText;
            return ''; ''', label)

    def picture(self, index=0):
        """All pixels of a chart."""
        return self.run('''const c = document.querySelectorAll('.plot')[arguments[0]]?.querySelector('canvas');
            return c ? c.toDataURL() : ''; ''', index)

    def colors(self, index=0):
        """How many pixels of a chart's curves there are."""
        return self.run('''let n = 0;
            for (const c of document.querySelectorAll('.plot')[arguments[0]]?.querySelectorAll('canvas') || []) {
              const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
              for (let i = 0; i < d.length; i += 4)
                if (d[i + 3] > 100 && Math.max(d[i], d[i + 1], d[i + 2]) - Math.min(d[i], d[i + 1], d[i + 2]) > 60) n++;
            }
            return n; ''', index)
