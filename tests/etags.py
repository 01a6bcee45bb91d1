"""Values of ``If-Match``: the tag of version 1 as proxies change it, and what names no version.

nginx, HAProxy and others mark the tag of an answer that they compress as weak. Apache appends the
name of the coding with one hyphen, and Jetty with two.
"""

from typing import Final

#: Each is the tag of version 1.
SAME_VERSION: Final = (
    'W/"1"',
    '"1-gzip"',
    '"1-br"',
    '"1-zstd"',
    '"1-deflate"',
    '"1--gzip"',
    'W/"1-gzip"',
)
#: None of these names a version.
NO_VERSION: Final = (
    "",
    ",",
    "1",
    '"1',
    "W/1",
    'w/"1"',
    '"0"',
    '"01"',
    '"-1"',
    '"1.0"',
    '"x"',
    '"1-x"',
    '"1-gzip-br"',
    '"1" "2"',
    '"1", 2',
    '"1", *',
    "*, *",
)
#: Each names a version that no Connection can have.
TOO_HIGH: Final = (
    '"2147483648"',
    '"9999999999999999999"',
    'W/"18446744073709551617"',
    f'"1{"0" * 5000}"',
)
