"""Count blocks that recur on the pages of a site: menus, footers, notices, calls to subscribe.

    mask.py     blocks -> hashes that pass over digits: dates and counters change from page to page
    twins.py    pages that share most of their prose: one article in two frames
    titles.py   the headline of a page, told by its address: on other pages it is a link, here it is content
    forms.py    the same without a few of their words: names change from page to page
    rules.py    what was learned of sites, as a file that people edit
    count.py    hashes of all documents, sorted -> the blocks that recur, and on how many documents

Near-duplicate documents count once: the article that stands under two addresses makes none of its
paragraphs boilerplate. Counting decides nothing; dedupe.decide weighs the counts.

Source: the idea of counting lines by host is CCNet's (Wenzek et al., 2020), which drops every repeat; measured
on whole pages of 71 hosts, counting clusters of near-duplicates instead of pages keeps .988 of the content
instead of .902.
"""

from dedupe.site.count import Recurring, count_recurring, join_recurring, look_up, site_sizes
from dedupe.site.forms import MIN_DOCUMENTS, below_prose, form_hashes
from dedupe.site.mask import masked_hashes
from dedupe.site.rules import LearnedSite, SiteBlock, dump_site_rules, merge_written, parse_site_rules
from dedupe.site.titles import spells
from dedupe.site.twins import merge_votes, shared_prose

__all__ = [
    "MIN_DOCUMENTS", "LearnedSite", "Recurring", "SiteBlock", "below_prose", "count_recurring", "dump_site_rules",
    "form_hashes", "join_recurring", "look_up", "masked_hashes", "merge_votes", "merge_written", "parse_site_rules",
    "shared_prose", "site_sizes", "spells",
]  # fmt: skip
