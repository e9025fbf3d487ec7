"""An agent."""

import orjson
import pandas as pd
from bs4 import BeautifulSoup

from hairem_core.sdk import BaseAgent


class Agent(BaseAgent):
    loads = orjson.loads
    frame = pd.DataFrame
    soup = BeautifulSoup
