"""Stands in for a package that is not there."""


def crawl(value):
    return value / 4
