from uuid import uuid4

import pytest
from entrepot_dictionary import DictionaryOptions, open_dictionary

from entrepot.core.testing import DriverSuite


class TestDictionary(DriverSuite):
    @pytest.fixture
    def open_driver(self):
        options = DictionaryOptions(name=uuid4().hex)  # a new store for each test
        return lambda: open_dictionary(options)
